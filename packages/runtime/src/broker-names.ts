import { type BrokerNames, defaultPrefix, namesFor } from '@eventsieve/contract/names';
import { type Settings, SettingsError } from './settings.js';

/** The names of stream and subjects, as NATS_PREFIX sets them apart from another system's on the same broker. */
export function readBrokerNames(settings: Settings): BrokerNames {
  const prefix = settings.text('NATS_PREFIX', defaultPrefix);
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(prefix)) {
    throw new SettingsError(`NATS_PREFIX is "${prefix}", but must be 1 to 32 letters, digits, "-" or "_".`);
  }
  return namesFor(prefix);
}
