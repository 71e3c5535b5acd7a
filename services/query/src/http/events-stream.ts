import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { EventsieveError, type FieldError, invalid } from '@eventsieve/contract/errors';
import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { type TailEventsRequest, TailStart } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { callerGone } from '@eventsieve/runtime/grpc-call';
import type { Logger } from '@eventsieve/runtime/logger';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { decodeCursor } from '../cursor.js';
import { eventStream } from '../follow/encoding.js';
import type { Outlet } from '../follow/follower.js';
import type { Following } from '../follow/following.js';
import { readTailRequest } from '../follow/tail-request.js';
import { parseInstant } from '../instant.js';
import type { QueryMetrics } from '../metrics.js';
import { httpFailure } from './errors.js';
import { withFieldNames } from './field-names.js';
import { instantForm, readParameters } from './parameters.js';

export const streamParameters = [
  ...(['from', 'cursor', 'topic', 'topic_exact', 'source', 'event_id'] as const),
  ...(['received_from', 'received_to', 'event_from', 'event_to', 'payload'] as const),
] as const;

// What a caller does not take by then it will not be told.
const lastWordsMs = 2_000;

export interface EventsStreamDeps {
  readonly following: Following;
  readonly metrics: Pick<QueryMetrics, 'followed'>;
  readonly logger: Logger;
}

const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  // nginx would keep the events until it has a bufferful.
  'x-accel-buffering': 'no',
};

export function serveEventsStream(app: FastifyInstance, { following, metrics, logger }: EventsStreamDeps): void {
  app.get('/events/stream', { config: { endless: true } }, async (request, reply) => {
    const { fields, lastEventId } = requestOf(request);
    const ask = async () => {
      const question = readTailRequest(fields, lastEventId);
      return request.method === 'HEAD' ? undefined : following.admit(question, eventStream);
    };
    const admitted = await withFieldNames(ask(), (field) => parameterOf(field, request));
    if (admitted === undefined) return reply.headers(streamHeaders).send();
    try {
      const response = open(reply);
      response.once('close', admitted.wake);
      await admitted.run(outletTo(response), (events) => metrics.followed('http', events));
    } catch (error) {
      sayFarewell(reply.raw, error, logger);
    } finally {
      admitted.leave();
    }
    return reply;
  });
}

function open(reply: FastifyReply): ServerResponse {
  reply.hijack();
  // A write that meets a connection which has just broken; "close" says the same.
  reply.raw.on('error', () => undefined);
  // It ends when it is of no more use, and a server that stops need not wait for the connection.
  return reply.raw.writeHead(200, {
    ...reply.getHeaders(),
    ...streamHeaders,
    connection: 'close',
  } as OutgoingHttpHeaders);
}

function outletTo(response: ServerResponse): Outlet {
  const gone = callerGone();
  return {
    over: () => (response.destroyed || response.closed ? gone : undefined),
    // What is written comes before whatever is said at the end.
    sentUpTo: ({ to }) => to,
    send(chunk) {
      if (response.write(chunk.joined()) || response.destroyed) return undefined;
      return new Promise((resolve) => {
        const done = () => {
          response.off('drain', done).off('close', done);
          resolve();
        };
        response.on('drain', done).on('close', done);
      });
    },
  };
}

const silentEnds: readonly (string | undefined)[] = ['CALLER_GONE', 'STOPPING'];

/** A service that stops only ends the stream: who follows comes back by itself, and goes on. */
function sayFarewell(response: ServerResponse, thrown: unknown, logger: Logger): void {
  if (response.destroyed) return;
  const timer = setTimeout(() => response.destroy(), lastWordsMs);
  response.once('close', () => clearTimeout(timer));
  const { reason, cursor } = thrown instanceof EventsieveError ? thrown : {};
  if (silentEnds.includes(reason)) return void response.end();
  const { body } = httpFailure(thrown, logger, 'GET /events/stream');
  response.end(`event: error\n${cursor === undefined ? '' : `id: ${cursor}\n`}data: ${body}\n\n`);
}

interface Asked {
  /** What the URL says. */
  readonly fields: TailEventsRequest;
  readonly lastEventId: string;
}

function requestOf(request: FastifyRequest): Asked {
  const given = readParameters(request, streamParameters);
  const faults: FieldError[] = [];
  const instantOf = (field: 'from' | 'received_from' | 'received_to' | 'event_from' | 'event_to') => {
    const value = given[field];
    const instant = value === undefined ? undefined : parseInstant(value);
    const message = field === 'from' ? instantForm.replace('must be', 'must be start, now, or') : instantForm;
    if (value !== undefined && instant === undefined) faults.push({ field, message });
    return instant;
  };
  const { from, cursor = '' } = given;
  if (from !== undefined && cursor !== '') faults.push({ field: 'cursor', message: 'must not be given beside from' });
  const lastEventId = lastEventIdOf(request, faults);
  const start = from === undefined ? undefined : starts.get(from);
  const since = from === undefined || starts.has(from) ? undefined : instantOf('from');
  const fields: TailEventsRequest = {
    topic: given.topic ?? '',
    topicExact: given.topic_exact ?? '',
    source: given.source ?? '',
    eventId: given.event_id ?? '',
    receivedFrom: instantOf('received_from'),
    receivedTo: instantOf('received_to'),
    from: instantOf('event_from'),
    to: instantOf('event_to'),
    payload: given.payload ?? '',
    payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON,
    start: start ?? TailStart.TAIL_START_UNSPECIFIED,
    cursor,
    since,
  };
  if (faults.length > 0) throw invalid(faults);
  return { fields, lastEventId };
}

const starts: ReadonlyMap<string, TailStart> = new Map([
  ['start', TailStart.TAIL_START_BEGINNING],
  ['now', TailStart.TAIL_START_NOW],
]);

const parameters: ReadonlyMap<string, string> = new Map([
  ['from', 'event_from'],
  ['to', 'event_to'],
  ['since', 'from'],
  ['start', 'from'],
]);

/** What a field of TailEventsRequest is called here. */
function parameterOf(field: string, { headers }: FastifyRequest): string {
  if (field === 'cursor' && headers['last-event-id']) return lastEventIdHeader;
  return parameters.get(field) ?? field;
}

const lastEventIdHeader = 'Last-Event-ID';

function lastEventIdOf({ headers }: FastifyRequest, faults: FieldError[]): string {
  const given = String(headers['last-event-id'] ?? '').trim();
  try {
    if (given !== '') decodeCursor(given);
  } catch {
    faults.push({ field: lastEventIdHeader, message: 'is not a cursor of this service' });
  }
  return given;
}
