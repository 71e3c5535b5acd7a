import type { BrokerNames } from '@eventsieve/contract/names';
import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import { waitUntil } from './wait-until.js';

/** The workers' consumer as it is now: its name changes when it is made anew. */
export function workersConsumer(jsm: JetStreamManager, { stream, durablePrefix }: BrokerNames): Promise<ConsumerInfo> {
  return waitUntil('the workers have a consumer', async () => {
    const consumers = await jsm.consumers.list(stream).next();
    return consumers.find(({ name }) => name.startsWith(durablePrefix));
  });
}
