import { EventsieveError } from '@eventsieve/contract/errors';
import { noResponders, type PubAck } from './read-ack.js';

// Error codes of the JetStream API.
const idInFlight = 10158;
const tooManyBuffered = 10167;
const streamFull = new Set([
  10077, // maximum messages or bytes of the stream
  10047, // insufficient storage
  10023, // insufficient resources
]);

/** A refusal that a moment may mend: no stream (it is being made), or a cluster that is busy with this very id. */
export function isTransient(ack: PubAck): boolean {
  return (
    ack.kind === 'refused' && (ack.code === noResponders || ack.code === idInFlight || ack.code === tooManyBuffered)
  );
}

export function lacksStream(ack: PubAck): boolean {
  return ack.kind === 'refused' && ack.code === noResponders;
}

/**
 * What to answer when a copy of a request was not taken, or undefined when all were. An unknown fate weighs more than a
 * refusal: the publisher must be told that copies may exist.
 */
export function failureOf(acks: readonly PubAck[]): EventsieveError | undefined {
  const unknown = acks.find((ack) => ack.kind === 'unknown');
  if (unknown?.kind === 'unknown') {
    const message = `it is not known whether NATS took every event (${unknown.description}); publish the same events again`;
    return new EventsieveError('UNAVAILABLE', message, { reason: 'FATE_UNKNOWN', retryAfterMs: 500 });
  }
  const refused = acks.find((ack) => ack.kind === 'refused');
  if (refused?.kind !== 'refused') return undefined;
  if (streamFull.has(refused.code)) {
    const message = `the stream is full (${refused.description}); publish the same events again later`;
    return new EventsieveError('RESOURCE_EXHAUSTED', message, { reason: 'STREAM_FULL', retryAfterMs: 1_000 });
  }
  const message = `NATS did not take every event (${refused.description}); publish the same events again`;
  return new EventsieveError('UNAVAILABLE', message, { reason: 'BROKER_REFUSED', retryAfterMs: 500 });
}

export function brokerAway(): EventsieveError {
  const message = 'NATS cannot be reached; nothing was taken';
  return new EventsieveError('UNAVAILABLE', message, { reason: 'BROKER_AWAY', retryAfterMs: 1_000 });
}

export function tooLate(): EventsieveError {
  return new EventsieveError('DEADLINE_EXCEEDED', 'the deadline has passed; nothing was taken');
}

export function stoppingNow(): EventsieveError {
  const message = 'the gateway is stopping; nothing was taken';
  return new EventsieveError('UNAVAILABLE', message, { reason: 'STOPPING', retryAfterMs: 500 });
}

export function overloaded(): EventsieveError {
  return refusedForNow('TOO_MANY_IN_FLIGHT', 'too many events wait for an ack of NATS (MAX_MESSAGES_IN_FLIGHT)', 200);
}

export function tooManyBytes(): EventsieveError {
  return refusedForNow('TOO_MANY_IN_FLIGHT', 'the requests under way are too large (MAX_REQUEST_BYTES_IN_FLIGHT)', 500);
}

export function tooManyWaiting(): EventsieveError {
  return refusedForNow('TOO_MANY_WAITING', 'too many events wait to be stored (MAX_WAITING_COPIES)', 1_000);
}

function refusedForNow(reason: string, what: string, retryAfterMs: number): EventsieveError {
  return new EventsieveError('RESOURCE_EXHAUSTED', `${what}; nothing was taken`, { reason, retryAfterMs });
}

/** The messages are sent and the broker may still take them. */
export function outOfTime(): EventsieveError {
  const message = 'NATS did not answer before the deadline, so it is not known whether every event was taken';
  return new EventsieveError('DEADLINE_EXCEEDED', message, { reason: 'FATE_UNKNOWN', retryAfterMs: 500 });
}

/** Nobody reads it, but it is counted. */
export function callerGone(): EventsieveError {
  return new EventsieveError('UNAVAILABLE', 'the caller is gone', { reason: 'CALLER_GONE' });
}
