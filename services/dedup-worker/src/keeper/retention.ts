import { type Settings, SettingsError } from '@eventsieve/runtime/settings';

/** How long what is kept: undefined means for ever. */
export interface Retention {
  /** Payloads, by whole days. */
  readonly eventsMs: number | undefined;
  readonly keysMs: number | undefined;
  /** Refused copies, tallies and replays. */
  readonly refusedMs: number | undefined;
  /** Of dead letters that were redriven or discarded, since then. */
  readonly deadLettersMs: number | undefined;
  /** Counts by minute. */
  readonly seriesMs: number | undefined;
  /** Between two looks for what is too old. */
  readonly lookEveryMs: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const maxMs = 36_500 * dayMs;

export function readRetention(settings: Settings): Retention {
  const orForEver = (ms: number, name: string, leastMs: number): number | undefined => {
    if (ms === 0) return undefined;
    if (ms >= leastMs) return ms;
    throw new SettingsError(`${name} must be 0, which means for ever, or at least ${leastMs / hourMs}h.`);
  };
  const range = { min: 0, max: maxMs };
  const retention: Retention = {
    eventsMs: orForEver(settings.durationMs('RETENTION', 0, range), 'RETENTION', hourMs),
    keysMs: orForEver(settings.durationMs('KEY_RETENTION', 0, range), 'KEY_RETENTION', dayMs),
    // A message that is handed out again is known by these rows, and by dead letters.
    refusedMs: orForEver(settings.durationMs('REFUSED_RETENTION', 0, range), 'REFUSED_RETENTION', dayMs),
    deadLettersMs: orForEver(settings.durationMs('DEAD_LETTER_RETENTION', 0, range), 'DEAD_LETTER_RETENTION', dayMs),
    seriesMs: orForEver(settings.durationMs('SERIES_RETENTION', 0, range), 'SERIES_RETENTION', dayMs),
    lookEveryMs: settings.durationMs('RETENTION_INTERVAL', 60_000, { min: 100 }),
  };
  if (retention.keysMs !== undefined && (retention.eventsMs === undefined || retention.eventsMs > retention.keysMs)) {
    throw new SettingsError(
      'KEY_RETENTION needs RETENTION, and that must not be longer: an event without its key could be stored twice.',
    );
  }
  return retention;
}
