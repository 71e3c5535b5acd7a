import { EventsieveError } from '@eventsieve/contract/errors';
import { Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { DoorRequest } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';
import type { CallContext } from '@eventsieve/runtime/grpc-server';
import type { CallSize } from '../admission.js';
import { type Caller, callerOf } from '../caller.js';
import type { EventLimits } from '../config.js';
import type { Gateway } from '../gateway.js';
import { publishToBroker } from '../publish-to-broker.js';
import { publishToStore } from '../publish-to-store.js';
import { brokerAway, overloaded, tooLate } from '../refusals.js';
import { maxTextCharacters } from '../validate/text-field.js';
import type { Fault, ValidEvent } from '../validate/validate-event.js';
import { isFault, validateRequest } from '../validate/validate-request.js';
import type { Verdict } from '../verdict.js';
import type { Answer, AnsweredEvent } from '../write-response.js';

// What a message holds beside the event: tags, timestamp, reply subject, header.
const envelopeBytes = 512;

// Of a name that is too long its beginning is enough: an answer must not be larger than a client takes.
const maxNameBytes = maxTextCharacters * 4;

/** A request as it came, with the number of its bytes. */
export interface ArrivedRequest extends DoorRequest {
  readonly bytes: number;
}

export async function publish(gateway: Gateway, request: ArrivedRequest, context: CallContext): Promise<Answer> {
  const leave = admit(gateway, request, context);
  try {
    const response = await publishAdmitted(gateway, request, callerOf(context));
    gateway.metrics.answered(waitsForStored(request), response.results);
    return response;
  } finally {
    leave();
  }
}

/** Says no before any work is done: what is refused in masses has to be cheap. */
export function admit(
  { admission, connected, publisher }: Gateway,
  request: ArrivedRequest,
  { deadlineMs }: CallContext,
): () => void {
  if (deadlineMs <= Date.now()) throw tooLate();
  if (!connected()) throw brokerAway();
  if (!publisher.hasRoom(request.events.length, request.bytes)) throw overloaded();
  return admission.admit(sizeOf(request));
}

export function sizeOf(request: ArrivedRequest): CallSize {
  return { waitForStored: waitsForStored(request), copies: request.events.length, bytes: request.bytes };
}

export const waitsForStored = ({ waitFor }: DoorRequest) => waitFor === WaitFor.WAIT_FOR_STORED;

/** By the time that it has returned its promise, everything that will be sent at once has been sent. */
export async function publishAdmitted(gateway: Gateway, request: ArrivedRequest, caller: Caller): Promise<Answer> {
  const { events, waitForStored } = validateRequest(request, limitsOf(gateway));
  const valid = events.filter((event): event is ValidEvent => !isFault(event));
  let verdicts: Verdict[] = [];
  if (valid.length > 0) {
    gateway.metrics.received(waitForStored, valid.length);
    verdicts = waitForStored
      ? await publishToStore(gateway, valid, caller)
      : await publishToBroker(gateway, valid, caller);
  }
  return respond(request, events, verdicts);
}

/** The broker may be set to take less than MAX_EVENT_BYTES. */
function limitsOf({ limits, maxMessageBytes }: Gateway): EventLimits {
  return { ...limits, maxEventBytes: Math.min(limits.maxEventBytes, maxMessageBytes() - envelopeBytes) };
}

function respond(request: DoorRequest, events: readonly (ValidEvent | Fault)[], verdicts: readonly Verdict[]): Answer {
  const answer = { received: events.length, accepted: 0, inserted: 0, duplicates: 0, conflicts: 0, rejected: 0 };
  let next = 0;
  const results = events.map((event, index): AnsweredEvent => {
    if (isFault(event)) {
      const given = request.events[index];
      const error = { code: 'INVALID_ARGUMENT', message: event.message, field: event.field };
      const names = { topic: nameOf(given?.topic), eventId: nameOf(given?.eventId) };
      answer.rejected++;
      return { ...names, outcome: Outcome.OUTCOME_REJECTED, position: 0n, firstSeenAt: undefined, error };
    }
    const verdict = verdicts[next++];
    if (verdict === undefined) throw new EventsieveError('INTERNAL', 'a copy has no verdict');
    if (verdict.outcome === Outcome.OUTCOME_STORED) answer.inserted++;
    else if (verdict.outcome === Outcome.OUTCOME_DUPLICATE) answer.duplicates++;
    else if (verdict.outcome === Outcome.OUTCOME_CONFLICT) answer.conflicts++;
    return describe(event, verdict);
  });
  answer.duplicates += answer.conflicts;
  answer.accepted = results.length - answer.duplicates - answer.rejected;
  return { ...answer, results };
}

/** Of a name that may be anything, what can stand in an answer. */
const nameOf = (bytes: Uint8Array = new Uint8Array()) =>
  Buffer.from(Buffer.from(bytes.subarray(0, maxNameBytes)).toString());

function describe(
  { topic, eventId }: ValidEvent,
  { outcome, position = 0n, firstSeenAtUs = 0n, reason = '' }: Verdict,
): AnsweredEvent {
  const seen = outcome === Outcome.OUTCOME_DUPLICATE || outcome === Outcome.OUTCOME_CONFLICT;
  return {
    topic,
    eventId,
    outcome,
    position,
    firstSeenAt: seen && firstSeenAtUs > 0n ? timestampOf(firstSeenAtUs) : undefined,
    error:
      outcome === Outcome.OUTCOME_DEAD_LETTERED ? { code: 'DEAD_LETTERED', message: reason, field: '' } : undefined,
  };
}

function timestampOf(us: bigint) {
  return { seconds: us / 1_000_000n, nanos: Number(us % 1_000_000n) * 1000 };
}
