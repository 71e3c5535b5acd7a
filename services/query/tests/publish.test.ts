import { gzipSync } from 'node:zlib';
import { EventsieveError, invalid } from '@eventsieve/contract/errors';
import { Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { connectGateway, type GatewayClient } from '../src/gateway-client.js';
import { servePublish } from '../src/http/publish.js';
import { createApp } from '../src/http/server.js';
import { type FakeGateway, outcomes, startFakeGateway } from './http-fixture.js';
import { silent } from './query-fixture.js';

const { OUTCOME_ACCEPTED, OUTCOME_STORED, OUTCOME_DUPLICATE, OUTCOME_CONFLICT, OUTCOME_DEAD_LETTERED } = Outcome;
const event = (changes: object = {}) => ({
  topic: 'orders',
  event_id: 'e1',
  source: 'shop',
  timestamp: '2024-05-01T12:00:00Z',
  ...changes,
});

let fake: FakeGateway;
let gateway: GatewayClient;
let app: FastifyInstance;
beforeAll(async () => {
  fake = await startFakeGateway();
  gateway = connectGateway(fake.address, 64 * 1024 ** 2);
  app = appOf();
});
afterAll(async () => {
  gateway.close();
  await fake.stop();
});
beforeEach(() => {
  fake.answer((request) => outcomes(request));
  fake.calls.length = 0;
});

function appOf(duplicateStatus: 200 | 409 = 200) {
  const bridge = { gateway, maxEventsPerRequest: 5, maxRequestBytes: 100_000, duplicateStatus, storedTimeoutMs: 1_000 };
  return createApp({ maxRequestBytes: 100_000, logger: silent, serve: (app) => servePublish(app, bridge) });
}

async function post(body: unknown, query = '', headers: Record<string, string> = {}) {
  const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const url = `/publish${query}`;
  const response = await app.inject({
    method: 'POST',
    url,
    payload,
    headers: { 'content-type': 'application/json', ...headers },
  });
  return { status: response.statusCode, headers: response.headers, body: response.json() };
}

describe('the status', () => {
  it.each([
    [OUTCOME_STORED, '', 201, 200],
    [OUTCOME_DUPLICATE, '', 200, 200],
    [OUTCOME_CONFLICT, '', 409, 200],
    [OUTCOME_DEAD_LETTERED, '', 422, 200],
    [OUTCOME_ACCEPTED, '', 202, 202],
    [OUTCOME_ACCEPTED, '?wait=broker', 202, 202],
    [OUTCOME_DUPLICATE, '?wait=broker', 202, 202],
    [OUTCOME_STORED, '?wait=stored', 201, 200],
  ])('of outcome %i%s is %i alone and %i in a batch', async (outcome, query, alone, inBatch) => {
    fake.answer((request) => outcomes(request, outcome));
    expect((await post(event(), query)).status).toBe(alone);
    expect((await post([event()], query)).status).toBe(inBatch);
    expect((await post({ events: [event(), event()] }, query)).status).toBe(inBatch);
  });

  it('of a batch with one verdict that is not known yet is 202', async () => {
    fake.answer((request) => outcomes(request, OUTCOME_STORED, OUTCOME_ACCEPTED));
    expect((await post([event(), event()])).status).toBe(202);
  });

  it('of a duplicate alone follows DUPLICATE_STATUS', async () => {
    fake.answer((request) => outcomes(request, OUTCOME_DUPLICATE));
    const headers = { 'content-type': 'application/json' };
    const strict = appOf(409);
    expect((await strict.inject({ method: 'POST', url: '/publish', payload: event(), headers })).statusCode).toBe(409);
    expect((await strict.inject({ method: 'POST', url: '/publish', payload: [event()], headers })).statusCode).toBe(
      200,
    );
  });
});

test('the body counts, says it in words and has a result for each event', async () => {
  const firstSeenAt = { seconds: 1_714_564_800n, nanos: 5_000 };
  fake.answer((request) => {
    const response = outcomes(request, OUTCOME_STORED, OUTCOME_DUPLICATE, OUTCOME_ACCEPTED);
    const [first, second, third] = response.results as [never, object, object];
    return { ...response, results: [first, { ...second, firstSeenAt }, { ...third, position: 0n }] as never };
  });
  expect((await post([event(), event({ event_id: 'e2' }), event()])).body).toEqual({
    received: 3,
    accepted: 2,
    inserted: 1,
    duplicates: 1,
    conflicts: 0,
    rejected: 0,
    message: 'Received 3 events, accepted 2, rejected 1 duplicates',
    results: [
      { topic: 'orders', event_id: 'e1', outcome: 'stored', position: '1' },
      {
        topic: 'orders',
        event_id: 'e2',
        outcome: 'duplicate',
        position: '2',
        first_seen_at: '2024-05-01T12:00:00.000005Z',
      },
      { topic: 'orders', event_id: 'e1', outcome: 'accepted' },
    ],
  });
});

test('the gateway gets the event digit by digit, what to wait for, and a deadline beyond its own', async () => {
  const payload = '{"n": 1.000000000000000000000000000000000001, "e":1e-7}';
  await post(
    `{"topic":"t","event_id":"é😀","source":"s","timestamp":"2024-05-01T12:00:00.5+02:00","payload":${payload}}`,
  );
  await post([event()], '?wait=broker&allow_partial=true');
  const [first, second] = fake.calls;
  expect(first?.request).toMatchObject({
    waitFor: WaitFor.WAIT_FOR_STORED,
    allowPartial: false,
    events: [
      {
        topic: 't',
        eventId: 'é😀',
        source: 's',
        payloadJson: payload,
        timestamp: { seconds: 1_714_557_600n, nanos: 500_000_000 },
      },
    ],
  });
  expect((first?.context.deadlineMs ?? 0) - Date.now()).toBeGreaterThan(2_000);
  expect(second?.request).toMatchObject({
    waitFor: WaitFor.WAIT_FOR_BROKER,
    allowPartial: true,
    events: [{ payloadJson: '{}' }],
  });
});

describe('bad events', () => {
  it('refuse the whole request, and nothing is published', async () => {
    const { status, body } = await post([event(), event({ topic: 1, extra: 1 }), event({ timestamp: 'now' })]);
    expect(status).toBe(400);
    expect(body.error.code).toBe('invalid_argument');
    expect(body.error.message).toContain('events[1].topic: must be a string, not a number');
    expect(body.error.fields.map(({ index, field }: { index: number; field: string }) => [index, field])).toEqual([
      [1, 'topic'],
      [1, 'extra'],
      [2, 'timestamp'],
    ]);
    expect(fake.calls).toHaveLength(0);
  });

  it('have a verdict of their own with allow_partial, in the order of the request', async () => {
    fake.answer((request) => outcomes(request, OUTCOME_STORED, OUTCOME_DUPLICATE));
    const { status, body } = await post([event({ topic: 1 }), event(), {}, event()], '?allow_partial=true');
    expect(status).toBe(200);
    expect(fake.calls[0]?.request.events).toHaveLength(2);
    expect(body).toMatchObject({ received: 4, accepted: 1, inserted: 1, duplicates: 1, rejected: 2 });
    expect(body.results.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
      'rejected',
      'stored',
      'rejected',
      'duplicate',
    ]);
    expect(body.results[0].error).toEqual({
      code: 'invalid_argument',
      message: 'must be a string, not a number',
      field: 'topic',
    });
  });

  it('are refused without asking the gateway when there are no others', async () => {
    const { status, body } = await post([{}], '?allow_partial=true');
    expect({ status, received: body.received, rejected: body.rejected }).toEqual({
      status: 200,
      received: 1,
      rejected: 1,
    });
    expect(fake.calls).toHaveLength(0);
  });

  it('alone are refused, whatever allow_partial says', async () => {
    expect((await post({}, '?allow_partial=true')).status).toBe(400);
  });
});

describe('what the gateway refuses', () => {
  it('comes back with index and field', async () => {
    fake.answer(() => invalid([{ index: 1, field: 'payload.price', message: 'is a duplicate key' }]));
    const { status, body } = await post([event(), event()]);
    expect(status).toBe(400);
    expect(body.error.fields).toEqual([{ index: 1, field: 'payload.price', message: 'is a duplicate key' }]);
  });

  it.each([
    ['RESOURCE_EXHAUSTED', 2_500, 429, '3'],
    ['UNAVAILABLE', 200, 503, '1'],
    ['UNAVAILABLE', undefined, 503, '1'],
    ['DEADLINE_EXCEEDED', undefined, 503, '1'],
  ] as const)('%s after %s ms is %i with Retry-After %s', async (code, retryAfterMs, status, retryAfter) => {
    fake.answer(() => new EventsieveError(code, 'full', retryAfterMs === undefined ? {} : { retryAfterMs }));
    const answer = await post(event());
    expect(answer.status).toBe(status);
    expect(answer.headers['retry-after']).toBe(retryAfter);
    expect(answer.body.error).toMatchObject({ code: code.toLowerCase(), message: 'full' });
  });

  it('without a word is an internal error that tells nothing', async () => {
    fake.answer(() => {
      throw new Error('secret');
    });
    const { status, body } = await post(event());
    expect(status).toBe(500);
    expect(JSON.stringify(body)).not.toContain('secret');
  });
});

test('a gateway that is away is 503 with Retry-After, soon', async () => {
  const nobody = connectGateway('127.0.0.1:1', 1024 ** 2);
  const bridge = {
    gateway: nobody,
    maxEventsPerRequest: 5,
    maxRequestBytes: 100_000,
    duplicateStatus: 200 as const,
    storedTimeoutMs: 1_000,
  };
  const away = createApp({ maxRequestBytes: 1_000, logger: silent, serve: (each) => servePublish(each, bridge) });
  const response = await away.inject({ method: 'POST', url: '/publish', payload: event() });
  expect(response.statusCode).toBe(503);
  expect(response.headers['retry-after']).toBe('1');
  nobody.close();
});

describe('the body', () => {
  it('may be gzip', async () => {
    const { status } = await post(gzipSync(JSON.stringify(event())), '', { 'content-encoding': 'gzip' });
    expect(status).toBe(201);
  });

  it.each([
    ['not gzip', 'plain', { 'content-encoding': 'gzip' }, 400],
    ['another encoding', 'x', { 'content-encoding': 'br' }, 415],
    ['another type', 'x', { 'content-type': 'text/plain' }, 415],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['too large', ' '.repeat(100_001), {}, 413],
    ['inflating to too much', gzipSync(Buffer.alloc(2_000_000, 32)), { 'content-encoding': 'gzip' }, 413],
    ['too many events', JSON.stringify(Array(6).fill(event())), {}, 413],
    ['nothing', '', {}, 400],
    ['not JSON', '{"topic"', {}, 400],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, 400],
    ['trailing garbage', `${JSON.stringify(event())}x`, {}, 400],
  ])('that is %s is refused', async (_, body, headers, status) => {
    const answer = await post(body, '', headers as Record<string, string>);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({
      code: expect.any(String),
      message: expect.any(String),
      fields: expect.any(Array),
    });
    expect(fake.calls).toHaveLength(0);
  });

  it('may say its charset, and be without a type only when it is absent', async () => {
    const { status } = await post(event(), '', { 'content-type': 'application/json; charset=utf-8' });
    expect(status).toBe(201);
    expect((await app.inject({ method: 'POST', url: '/publish' })).statusCode).toBe(415);
  });
});

it.each([
  ['?wait=later', 'wait'],
  ['?wait=', 'wait'],
  ['?wait=stored&wait=broker', 'wait'],
  ['?allow_partial=yes', 'allow_partial'],
  ['?partial=true', 'partial'],
])('%s is refused by its name', async (query, field) => {
  const { status, body } = await post(event(), query);
  expect(status).toBe(400);
  expect(body.error.fields).toMatchObject([{ field }]);
});
