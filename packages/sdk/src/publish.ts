import {
  IngestServiceService,
  PublishResponse,
  WaitFor,
  Outcome as WireOutcome,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { requestTail, writeEvent } from '@eventsieve/contract/request-writing';
import { readTraceparent } from '@eventsieve/contract/traceparent';
import { appendBytes, newWireBuffer, writtenBytes } from '@eventsieve/contract/wire-writing';
import { type CallSettings, callUnary, type Method, type Peer, type TracedSettings } from './call.js';
import { type EventFault, readEvent } from './encode-event.js';
import { brokenAnswer, refuse } from './error.js';
import type { NewEvent } from './event.js';
import { formatInstant } from './instant.js';
import { type Answer, readAnswer, type Verdict } from './read-answer.js';
import { type RetryOptions, withRetries } from './retry.js';

/**
 * The verdict on one copy. `accepted`: durable in the broker, and not known yet whether it is a repeat. `stored`: this
 * copy is the stored event. `duplicate`: the event was taken before. `conflict`: its id is stored with another payload or
 * source, and stays as it is. `rejected`: refused by validation, never received. `dead_lettered`: kept, but cannot be stored.
 */
export type Outcome = 'accepted' | 'stored' | 'duplicate' | 'conflict' | 'rejected' | 'dead_lettered';

/** What must have happened before an answer. */
export type Wait = 'broker' | 'stored';

export const waitForOf = (wait: Wait): WaitFor =>
  wait === 'stored' ? WaitFor.WAIT_FOR_STORED : WaitFor.WAIT_FOR_BROKER;

export interface PublishOptions extends CallSettings {
  /** What must have happened before the answer: `stored` (default) is in Postgres with a verdict, `broker` is durable. */
  readonly wait?: Wait | undefined;
  /** Each event has its own verdict; without it one bad event refuses them all, and nothing is published. */
  readonly allowPartial?: boolean | undefined;
  /** Failures that may pass are tried again for as long as timeoutMs allows; false: one try. */
  readonly retry?: RetryOptions | boolean | undefined;
  /** Which trace it belongs to. Default: the client's. */
  readonly traceparent?: string | undefined;
}

export interface PublishResult {
  readonly topic: string;
  readonly eventId: string;
  readonly outcome: Outcome;
  /** The place of this copy in the order of all; absent while it is not known. */
  readonly position?: bigint;
  /** When the stored event with this id was received (ISO 8601, UTC); for duplicates and conflicts. */
  readonly firstSeenAt?: string;
  /** Why; for rejected and dead-lettered copies. */
  readonly error?: { readonly code: string; readonly message: string; readonly field: string };
  /** Tries that it took, when more than one: a duplicate may then be one of an earlier try, whose answer was lost. */
  readonly attempts?: number;
}

export interface PublishAnswer {
  /** Copies in the request. */
  readonly received: number;
  /** received − duplicates − rejected. */
  readonly accepted: number;
  /** Copies that became the stored event; 0 while that is not known. */
  readonly inserted: number;
  /** Copies that repeat an event; conflicts are counted in. */
  readonly duplicates: number;
  readonly conflicts: number;
  readonly rejected: number;
  /** One per event, in the order of the request. */
  readonly results: readonly PublishResult[];
}

export interface EventName {
  readonly topic: string;
  readonly eventId: string;
}

const bytesOfEvent = 256;

export async function publishEvents(
  gateway: Peer,
  events: readonly NewEvent[],
  options: PublishOptions,
): Promise<PublishAnswer> {
  const { wait = 'stored', allowPartial = false, timeoutMs = gateway.timeoutMs, signal, retry } = options;
  const traceparent = readTraceparent(options.traceparent) ?? gateway.traceparent();
  const nowMs = Date.now();
  const untilMs = nowMs + timeoutMs;
  const wire = newWireBuffer((events.length + 1) * bytesOfEvent);
  const names: EventName[] = [];
  const refused = new Map<number, readonly EventFault[]>();
  events.forEach((event, index) => {
    const ready = readEvent(event, nowMs);
    if ('topic' in ready) writeEvent(wire, ready);
    else refused.set(index, ready);
    names.push('topic' in ready ? ready : nameOf(event));
  });
  if (refused.size > 0 && !allowPartial) {
    throw refuse([...refused].flatMap(([index, faults]) => faults.map((fault) => ({ index, ...fault }))));
  }

  appendBytes(wire, requestTail(waitForOf(wait), allowPartial));
  const bytes = writtenBytes(wire);
  const leftMs = () => Math.max(0, untilMs - Date.now());
  let attempts = 0;
  const send = (attempt: number) => {
    attempts = attempt;
    return callPublish(gateway, bytes, { timeoutMs: leftMs(), signal, traceparent });
  };
  const nothingLeft = refused.size > 0 && refused.size === events.length;
  const { results, ...sums } = nothingLeft
    ? PublishResponse.create()
    : await withRetries(send, { untilMs, signal, retry });
  let next = 0;
  return {
    ...sums,
    received: sums.received + refused.size,
    rejected: sums.rejected + refused.size,
    results: names.map((name, index) => {
      const faults = refused.get(index);
      return faults === undefined ? resultOf(name, results[next++], attempts) : rejection(name, faults);
    }),
  };
}

/** Takes a request that is bytes already, and reads no more of the answer than is wanted. */
const publishInBytes: Method<Buffer, Answer> = {
  path: IngestServiceService.publish.path,
  requestSerialize: (bytes) => bytes,
  responseDeserialize: readAnswer,
};

/** The same bytes again when it is tried again. */
export function callPublish(gateway: Peer, bytes: Buffer, settings: TracedSettings): Promise<Answer> {
  return callUnary(gateway, publishInBytes, bytes, settings);
}

export const outcomes: Readonly<Partial<Record<WireOutcome, Outcome>>> = {
  [WireOutcome.OUTCOME_ACCEPTED]: 'accepted',
  [WireOutcome.OUTCOME_STORED]: 'stored',
  [WireOutcome.OUTCOME_DUPLICATE]: 'duplicate',
  [WireOutcome.OUTCOME_CONFLICT]: 'conflict',
  [WireOutcome.OUTCOME_REJECTED]: 'rejected',
  [WireOutcome.OUTCOME_DEAD_LETTERED]: 'dead_lettered',
};

/** The names are the caller's own: an answer has those of a rejected event cut short. */
export function resultOf(
  { topic, eventId }: EventName,
  answered: Verdict | undefined,
  attempts: number,
): PublishResult {
  if (answered === undefined) throw brokenAnswer();
  const { outcome, position, firstSeenAt, error } = answered;
  // A word of a later version: taken it was, and what became of it is not known here.
  const result: Writable<PublishResult> = { topic, eventId, outcome: outcomes[outcome] ?? 'accepted' };
  if (position !== 0n) result.position = position;
  if (firstSeenAt) result.firstSeenAt = formatInstant(firstSeenAt);
  if (error) result.error = error;
  if (attempts > 1) result.attempts = attempts;
  return result;
}

type Writable<T> = { -readonly [key in keyof T]: T[key] };

function rejection({ topic, eventId }: EventName, [fault]: readonly EventFault[]): PublishResult {
  const { field = '', message = '' } = fault ?? {};
  return { topic, eventId, outcome: 'rejected', error: { code: 'INVALID_ARGUMENT', message, field } };
}

/** Of an event that may be anything. */
function nameOf(event: unknown): EventName {
  const { topic, eventId } = (event ?? {}) as Partial<EventName>;
  return { topic: typeof topic === 'string' ? topic : '', eventId: typeof eventId === 'string' ? eventId : '' };
}
