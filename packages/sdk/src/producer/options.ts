import type { FieldError } from '@eventsieve/contract/errors';
import { refuse } from '../error.js';
import type { Wait } from '../publish.js';
import type { RetryOptions } from '../retry.js';

export interface ProducerOptions {
  /** How long an event may wait for others to travel with. Default: 5. */
  readonly lingerMs?: number | undefined;
  /** Events in a call. Default: 100. */
  readonly maxBatch?: number | undefined;
  /** Calls at once. Default: 8. With 1 the broker gets the events in the order of their sending. */
  readonly maxInFlight?: number | undefined;
  /** About what is held in memory of events that have no verdict yet. Default: 4 MiB. */
  readonly maxBufferedBytes?: number | undefined;
  /** What must have happened before a verdict: `stored` (default) is in Postgres, `broker` is durable. */
  readonly wait?: Wait | undefined;
  /** What an event's verdict may take with all tries, from send on. Default: 60 s. One try takes the client's timeoutMs. */
  readonly timeoutMs?: number | undefined;
  /** Failures that may pass are tried again for as long as timeoutMs allows; false: one try. */
  readonly retry?: RetryOptions | boolean | undefined;
}

const defaults = {
  lingerMs: 5,
  maxBatch: 100,
  maxInFlight: 8,
  maxBufferedBytes: 4 * 1024 ** 2,
  timeoutMs: 60_000,
} as const;

const least = { lingerMs: 0, maxBatch: 1, maxInFlight: 1, maxBufferedBytes: 1, timeoutMs: 1 } as const;

export function readProducerOptions({ wait = 'stored', retry, ...numbers }: ProducerOptions) {
  const faults: FieldError[] = [];
  const read = (name: keyof typeof defaults): number => {
    const value = numbers[name] ?? defaults[name];
    if (!Number.isSafeInteger(value) || value < least[name]) {
      faults.push({ field: name, message: `must be a whole number from ${least[name]}, not ${value}` });
    }
    return value;
  };
  const options = {
    lingerMs: read('lingerMs'),
    maxBatch: read('maxBatch'),
    maxInFlight: read('maxInFlight'),
    maxBufferedBytes: read('maxBufferedBytes'),
    timeoutMs: read('timeoutMs'),
    wait,
    retry,
  };
  if (wait !== 'stored' && wait !== 'broker') {
    faults.push({ field: 'wait', message: `must be stored or broker, not ${String(wait)}` });
  }
  if (faults.length > 0) throw refuse(faults);
  return options;
}
