import type { Peer } from '../call.js';
import { brokenAnswer, type EventsieveError, refuse, timedOut, unforeseen, withoutIndex } from '../error.js';
import { callPublish, resultOf } from '../publish.js';
import type { Answer } from '../read-answer.js';
import { type RetryOptions, withRetries } from '../retry.js';
import { type Batch, type Entry, requestOf } from './batch.js';

export interface Delivery {
  readonly gateway: Peer;
  /** What a request ends with. */
  readonly tail: Buffer;
  readonly retry: RetryOptions | boolean | undefined;
  readonly signal: AbortSignal;
  /** A request of so many events and bytes was refused as a whole, and is sent in parts. */
  readonly tooMuch: (error: EventsieveError, events: number, bytes: number) => void;
}

/** Sends a batch until it is answered, refused for good or out of time, and settles each of its events. Never rejects. */
export async function deliver(delivery: Delivery, batch: Batch, from = 0, to = batch.entries.length): Promise<void> {
  const { gateway, tail, retry, signal, tooMuch } = delivery;
  const { entries, untilMs, traceparent } = batch;
  let attempts = 0;
  let bytes = 0;
  try {
    const request = requestOf(batch, tail, from, to);
    bytes = request.length;
    const response = await withRetries(
      (attempt) => {
        const leftMs = untilMs - Date.now();
        if (leftMs <= 0) throw timedOut('the event could not be sent in time', 'NOT_SENT');
        attempts = attempt;
        const attemptMs = Math.min(gateway.timeoutMs, leftMs);
        return callPublish(gateway, request, { timeoutMs: attemptMs, signal, traceparent });
      },
      { untilMs, signal, retry },
    );
    settle(entries, from, to, response, attempts);
  } catch (thrown) {
    const error = unforeseen(thrown);
    if (to - from > 1 && isOfOne(error)) {
      tooMuch(error, to - from, bytes);
      const middle = (from + to) >>> 1;
      // One after the other, so that their order stays.
      await deliver(delivery, batch, from, middle);
      await deliver(delivery, batch, middle, to);
      return;
    }
    for (let index = from; index < to; index++) entries[index]?.reject(withoutIndex(error));
  }
}

/** Nothing was taken, and less at once may be: one event of many need not fail the others. */
function isOfOne({ code }: EventsieveError): boolean {
  return code === 'INVALID_ARGUMENT' || code === 'PAYLOAD_TOO_LARGE';
}

function settle(entries: readonly Entry[], from: number, to: number, { results }: Answer, attempts: number): void {
  for (let index = from; index < to; index++) {
    const entry = entries[index] as Entry;
    const answered = results[index - from];
    if (answered === undefined) {
      entry.reject(brokenAnswer());
      continue;
    }
    const result = resultOf(entry, answered, attempts);
    if (result.outcome !== 'rejected') entry.resolve(result);
    else entry.reject(refuse([{ field: result.error?.field ?? '', message: result.error?.message ?? 'is refused' }]));
  }
}
