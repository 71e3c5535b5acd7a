import { EventsieveError } from '@eventsieve/contract/errors';
import type { Event } from '@eventsieve/contract/gen/eventsieve/v1/event';
import type { PublishResult, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { GatewayClient } from './gateway-client.js';

export interface GatherLimits {
  readonly maxEvents: number;
  readonly maxBytes: number;
  /** From the arrival of an event to its answer. */
  readonly timeoutMs: number;
  /** Calls under way for whose end events wait, though never longer than `gatherMs`. */
  readonly softCalls: number;
  readonly gatherMs: number;
  /** Calls under way, at most. Beyond it events wait up to `patienceMs` and are then refused. */
  readonly hardCalls: number;
  readonly patienceMs: number;
  readonly maxWaitingEvents: number;
  readonly maxWaitingBytes: number;
}

export const defaultGatherLimits = {
  maxEvents: 1_000,
  maxBytes: 1024 ** 2,
  softCalls: 4,
  gatherMs: 20,
  hardCalls: 128,
  patienceMs: 3_000,
  maxWaitingEvents: 20_000,
  maxWaitingBytes: 64 * 1024 ** 2,
};

interface Waiting {
  readonly event: Event;
  readonly bytes: number;
  readonly arrivedMs: number;
  /**
   * In a call of its own: it belongs to a trace, which a call has one of; or the call that it shared was refused for the
   * sake of one event, perhaps this one.
   */
  readonly alone: boolean;
  readonly traceparent: string | undefined;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: unknown) => void;
}

// Field tags, timestamp and lengths of one event in a request.
const envelopeBytes = 64;
const mostBytesOfCharacter = 3;

/**
 * Publishes single events, those that arrive together in one call: within one turn of the event loop, or while calls are
 * under way. No event learns of the others: one that is refused gets its verdict alone, and a call that hangs (Postgres
 * away, say) holds up those after it for `gatherMs` and no longer.
 */
export function gathersPublishes(
  gateway: Pick<GatewayClient, 'publish'>,
  waitFor: WaitFor,
  limits: GatherLimits,
): (event: Event, traceparent?: string) => Promise<PublishResult> {
  const waiting: Waiting[] = [];
  let waitingBytes = 0;
  let calls = 0;
  let atEndOfTurn = false;
  let timer: NodeJS.Timeout | undefined;

  function schedule(): void {
    if (calls < limits.softCalls || waiting.length >= limits.maxEvents) {
      if (atEndOfTurn) return;
      atEndOfTurn = true;
      setImmediate(() => {
        atEndOfTurn = false;
        send();
      });
    } else {
      timer ??= setTimeout(() => {
        timer = undefined;
        send();
      }, limits.gatherMs);
    }
  }

  function send(): void {
    while (waiting.length > 0 && calls < limits.hardCalls) void publish(take());
    if (waiting.length === 0) {
      clearTimeout(timer);
      timer = undefined;
      return;
    }
    const patientSinceMs = Date.now() - limits.patienceMs;
    while (waiting[0] !== undefined && waiting[0].arrivedMs < patientSinceMs) takeFirst().reject(tooSlow());
    if (waiting.length > 0) schedule();
  }

  function takeFirst(): Waiting {
    const first = waiting.shift() as Waiting;
    waitingBytes -= first.bytes;
    return first;
  }

  function take(): Waiting[] {
    const batch = [takeFirst()];
    let bytes = batch[0]?.bytes ?? 0;
    for (let next = waiting[0]; next !== undefined && !batch[0]?.alone && !next.alone; next = waiting[0]) {
      bytes += next.bytes;
      if (batch.length >= limits.maxEvents || bytes > limits.maxBytes) break;
      batch.push(takeFirst());
    }
    return batch;
  }

  async function publish(batch: readonly Waiting[]): Promise<void> {
    const oldestMs = Math.min(...batch.map(({ arrivedMs }) => arrivedMs));
    const request = { events: batch.map(({ event }) => event), waitFor, allowPartial: batch.length > 1 };
    calls += 1;
    try {
      const leftMs = limits.timeoutMs - (Date.now() - oldestMs);
      const { results } = await gateway.publish(request, leftMs, batch[0]?.traceparent);
      batch.forEach((each, index) => {
        const result = results[index];
        if (result) each.resolve(result);
        else each.reject(new EventsieveError('INTERNAL', 'the gateway gave no result for an event'));
      });
    } catch (error) {
      if (batch.length > 1 && isRefused(error)) putBack(batch);
      else for (const { reject } of batch) reject(error);
    } finally {
      calls -= 1;
      send();
    }
  }

  function putBack(batch: readonly Waiting[]): void {
    waiting.unshift(...batch.map((each) => ({ ...each, alone: true })));
    for (const { bytes } of batch) waitingBytes += bytes;
  }

  return (event, traceparent) =>
    new Promise((resolve, reject) => {
      const bytes = bytesOf(event);
      if (waiting.length >= limits.maxWaitingEvents || waitingBytes + bytes > limits.maxWaitingBytes) {
        const message = 'too many events wait to be published; nothing was taken';
        reject(new EventsieveError('RESOURCE_EXHAUSTED', message, { reason: 'TOO_MANY_WAITING', retryAfterMs: 1_000 }));
        return;
      }
      const alone = traceparent !== undefined;
      waiting.push({ event, bytes, arrivedMs: Date.now(), alone, traceparent, resolve, reject });
      waitingBytes += bytes;
      schedule();
    });
}

/** The gateway took nothing, because of what is in the request: the others deserve another try. */
function isRefused(error: unknown): boolean {
  return error instanceof EventsieveError && (error.code === 'INVALID_ARGUMENT' || error.code === 'PAYLOAD_TOO_LARGE');
}

function tooSlow(): EventsieveError {
  const message = 'the gateway is too slow to take more; nothing was taken';
  return new EventsieveError('UNAVAILABLE', message, { reason: 'GATEWAY_SLOW', retryAfterMs: 1_000 });
}

/** Names are short, and taken for as long as they can be. */
const bytesOf = ({ topic, eventId, source, payloadJson = '' }: Event): number =>
  envelopeBytes +
  (topic.length + eventId.length + source.length) * mostBytesOfCharacter +
  Buffer.byteLength(payloadJson);
