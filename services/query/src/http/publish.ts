import { type FieldError, invalid } from '@eventsieve/contract/errors';
import type { Event } from '@eventsieve/contract/gen/eventsieve/v1/event';
import {
  Outcome,
  type PublishResponse,
  type PublishResult,
  WaitFor,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { readTraceparent, traceparentHeader } from '@eventsieve/contract/traceparent';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { attributeOf } from '../cloudevents/attributes.js';
import type { GatewayClient } from '../gateway-client.js';
import { defaultGatherLimits, gathersPublishes } from '../gather-publishes.js';
import { withFieldNames } from './field-names.js';
import { readChoice, readParameters } from './parameters.js';
import { type BadEvent, isBad, type ReadEvent } from './read-event.js';
import { readPublished } from './read-published.js';
import { writeAnswer } from './write-answer.js';

export interface Bridge {
  readonly gateway: GatewayClient;
  readonly maxEventsPerRequest: number;
  readonly maxRequestBytes: number;
  readonly duplicateStatus: 200 | 409;
  readonly storedTimeoutMs: number;
}

// What a call may take beyond the gateway's own wait for the broker and for the verdict.
const marginMs = 6_000;
const maxFaultsNamed = 20;

export function servePublish(app: FastifyInstance, bridge: Bridge): void {
  const publishStored = publishesSingles(bridge, WaitFor.WAIT_FOR_STORED);
  const publishAccepted = publishesSingles(bridge, WaitFor.WAIT_FOR_BROKER);

  /** What came is not held while its answer is waited for. */
  function publish(request: FastifyRequest): { answer: Promise<PublishResponse>; single: boolean; stored: boolean } {
    const parameters = readParameters(request, ['wait', 'allow_partial']);
    const wait = readChoice('wait', parameters.wait, ['stored', 'broker'], 'stored');
    const allowPartial = readChoice('allow_partial', parameters.allow_partial, ['true', 'false'], 'false') === 'true';

    const { single, events, cloudEvents = false } = readPublished(request, bridge.maxEventsPerRequest);
    // Of one event alone there is no part: it is taken, or the request is refused.
    const partial = allowPartial && !single;
    if (!partial) refuseBad(events);

    const stored = wait === 'stored';
    const traceparent = readTraceparent(request.headers[traceparentHeader]);
    const publishSingle = stored ? publishStored : publishAccepted;
    const [first] = events;
    const call =
      single && first !== undefined && !isBad(first)
        ? publishSingle(first, traceparent)
        : publishGood(bridge, events, { waitForStored: stored, allowPartial: partial, cloudEvents, traceparent });
    return { answer: cloudEvents ? withFieldNames(call, attributeOf) : call, single, stored };
  }

  app.post('/publish', async (request, reply) => {
    const { answer, single, stored } = publish(request);
    const response = await answer;
    reply.code(statusOf(response, single, stored, bridge.duplicateStatus));
    return reply.type('application/json').send(writeAnswer(response));
  });
}

function refuseBad(events: readonly ReadEvent[]): void {
  const faults: FieldError[] = [];
  events.forEach((event, index) => {
    if (isBad(event)) faults.push(...event.faults.map((fault) => ({ index, ...fault })));
  });
  if (faults.length > 0) throw invalid(faults.slice(0, maxFaultsNamed));
}

/** Single events share calls; each request's answer is what a call of its own would have given. */
function publishesSingles(
  { gateway, maxEventsPerRequest, maxRequestBytes, storedTimeoutMs }: Bridge,
  waitFor: WaitFor,
): (event: Event, traceparent?: string) => Promise<PublishResponse> {
  const gather = gathersPublishes(gateway, waitFor, {
    ...defaultGatherLimits,
    maxEvents: Math.min(defaultGatherLimits.maxEvents, maxEventsPerRequest),
    maxBytes: Math.min(defaultGatherLimits.maxBytes, maxRequestBytes / 2),
    timeoutMs: storedTimeoutMs + marginMs,
  });
  return async (event, traceparent) => {
    const result = await gather(event, traceparent);
    const { outcome, error } = result;
    if (outcome === Outcome.OUTCOME_REJECTED) {
      throw invalid([{ index: 0, field: error?.field ?? '', message: error?.message ?? 'is refused' }]);
    }
    const conflicts = Number(outcome === Outcome.OUTCOME_CONFLICT);
    const duplicates = conflicts + Number(outcome === Outcome.OUTCOME_DUPLICATE);
    const inserted = Number(outcome === Outcome.OUTCOME_STORED);
    return { received: 1, accepted: 1 - duplicates, inserted, duplicates, conflicts, rejected: 0, results: [result] };
  };
}

interface BatchOptions {
  readonly waitForStored: boolean;
  readonly allowPartial: boolean;
  readonly cloudEvents: boolean;
  readonly traceparent: string | undefined;
}

function publishGood(
  { gateway, storedTimeoutMs }: Bridge,
  events: readonly ReadEvent[],
  { waitForStored, allowPartial, cloudEvents, traceparent }: BatchOptions,
): Promise<PublishResponse> {
  const good = events.filter((event): event is Event => !isBad(event));
  const none = { received: 0, accepted: 0, inserted: 0, duplicates: 0, conflicts: 0, rejected: 0, results: [] };
  const waitFor = waitForStored ? WaitFor.WAIT_FOR_STORED : WaitFor.WAIT_FOR_BROKER;
  const call =
    good.length === 0 && events.length > 0
      ? Promise.resolve(none)
      : gateway.publish({ events: good, waitFor, allowPartial }, storedTimeoutMs + marginMs, traceparent);
  const answer = cloudEvents ? call.then(inAttributes) : call;
  if (good.length === events.length) return answer;
  const rejections = events.map((event) => (isBad(event) ? rejection(event) : undefined));
  return answer.then((response) => withRejections(response, rejections));
}

/** Each in its place; `undefined` where an event was good. */
function withRejections(
  response: PublishResponse,
  rejections: readonly (PublishResult | undefined)[],
): PublishResponse {
  let next = 0;
  let bad = 0;
  const results = rejections.flatMap((rejected) => {
    if (rejected) bad++;
    const result = rejected ?? response.results[next++];
    return result === undefined ? [] : [result];
  });
  return { ...response, received: response.received + bad, rejected: response.rejected + bad, results };
}

function rejection({ topic, eventId, faults }: BadEvent): PublishResult {
  const [fault = { field: '', message: 'is not an event' }] = faults;
  const error = { code: 'INVALID_ARGUMENT', ...fault };
  return { topic, eventId, outcome: Outcome.OUTCOME_REJECTED, position: 0n, firstSeenAt: undefined, error };
}

/** What the gateway found wrong with each, named as its publisher knows it. */
function inAttributes(response: PublishResponse): PublishResponse {
  const results = response.results.map((result) =>
    result.error === undefined
      ? result
      : { ...result, error: { ...result.error, field: attributeOf(result.error.field) } },
  );
  return { ...response, results };
}

function statusOf(response: PublishResponse, single: boolean, waitForStored: boolean, duplicateStatus: number): number {
  const { results } = response;
  if (!waitForStored || results.some(({ outcome }) => outcome === Outcome.OUTCOME_ACCEPTED)) return 202;
  if (!single) return 200;
  switch (results[0]?.outcome) {
    case Outcome.OUTCOME_STORED:
      return 201;
    case Outcome.OUTCOME_CONFLICT:
      return 409;
    case Outcome.OUTCOME_DEAD_LETTERED:
      return 422;
    default:
      return duplicateStatus;
  }
}
