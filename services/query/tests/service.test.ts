import { connect as connectTcp } from 'node:net';
import {
  ListEventsRequest,
  type ListEventsResponse,
  QueryServiceClient,
} from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { RunningPart } from '@eventsieve/runtime/lifecycle';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import { AckPolicy } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, inject, it, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { startQuery } from '../src/start.js';
import { type FakeGateway, startFakeGateway } from './http-fixture.js';
import { openFixture, type QueryFixture, silent } from './query-fixture.js';

let fixture: QueryFixture;
let fake: FakeGateway;
let service: RunningPart;

const start = (changes: Record<string, string> = {}) =>
  startQuery(
    {
      DATABASE_URL: fixture.database.url,
      NATS_URL: inject('natsUrl'),
      NATS_PREFIX: fixture.names.stream.replace('EVENTSIEVE_', ''),
      HTTP_PORT: '0',
      QUERY_GRPC_PORT: '0',
      GATEWAY_URL: fake.address,
      DRAIN_TIMEOUT: '1s',
      ...changes,
    },
    silent,
  );

beforeAll(async () => {
  fixture = await openFixture();
  fake = await startFakeGateway();
  await fixture.openEpoch();
  await fixture.store(
    { position: 1, topic: 'a/b %', eventId: 'ü?#', payload: '{"n": 1.10}' },
    { position: 2, topic: '😀'.repeat(255), eventId: '😀'.repeat(255) },
    { position: 3, topic: 'gone', eventId: 'g' },
  );
  await fixture.database.pool.query('delete from events where position = 3');
  await fixture.deadLetter(4, 'orders', 'dead');
  await fixture.advance(4);
  service = await start();
  await waitUntil('the service to reach NATS', async () => (await ask('/health')).body.parts.nats);
});
afterAll(async () => {
  await service.stop();
  await fake.stop();
  await fixture.close();
});

async function ask(path: string, init: RequestInit = {}, of = service) {
  const response = await fetch(`${of.addresses.http}${path}`, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: text === '' ? undefined : JSON.parse(text) };
}

describe('GET /events', () => {
  it('shows events with ids, whole payloads and a cursor', async () => {
    const { status, text, body, headers } = await ask('/events?limit=1');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('application/json');
    expect(body).toMatchObject({
      count: 1,
      events: [{ id: '1', topic: 'a/b %', event_id: 'ü?#', timestamp: '2024-05-01T12:00:00Z', source: 'shop' }],
      next_cursor: expect.stringMatching(/^[A-Za-z0-9_-]+$/),
    });
    expect(text).toContain('"payload":{"n": 1.10}');
    const next = await ask(`/events?limit=1000&cursor=${body.next_cursor}`);
    expect(next.body).toMatchObject({ count: 1, events: [{ id: '2' }], next_cursor: null });
  });

  it('filters by topic and says which', async () => {
    for (const topic of [encodeURIComponent('a/b %'), 'a%2Fb+%25', '%61/b+%25&']) {
      const { body } = await ask(`/events?topic=${topic}&source=shop&order=desc`);
      expect(body).toMatchObject({ topic: 'a/b %', count: 1, next_cursor: null });
    }
    expect((await ask('/events?topic=a')).body).toEqual({ topic: 'a', count: 0, events: [], next_cursor: null });
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['cursor=%20', 'cursor'],
    ['cursor=abc', 'cursor'],
    ['order=up', 'order'],
    ['topic=', 'topic'],
    ['topic=%00', 'topic'],
    ['tpoic=a', 'tpoic'],
    ['topic=%ff', 'topic'],
    ['topic=50%', 'topic'],
    ['topic=a&topic=%ff', 'topic'],
    ['%ff=a', '%ff'],
    ['__proto__=a', '__proto__'],
  ])('refuses %s by its name', async (query, field) => {
    const { status, body } = await ask(`/events?${query}`);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'invalid_argument', fields: [{ field }] });
  });
});

describe('GET /events/{topic}/{event_id}', () => {
  const path = (topic: string, id: string) => `/events/${encodeURIComponent(topic)}/${encodeURIComponent(id)}`;

  it.each([
    ['a/b %', 'ü?#', { status: 'stored', id: '1', payload: { n: 1.1 } }],
    ['😀'.repeat(255), '😀'.repeat(255), { status: 'stored', id: '2' }],
    ['gone', 'g', { status: 'expired', id: '3', topic: 'gone', event_id: 'g' }],
    ['orders', 'dead', { status: 'dead_lettered', topic: 'orders', event_id: 'dead' }],
  ])('%s %s', async (topic, id, expected) => {
    const { status, body } = await ask(path(topic, id));
    expect(status).toBe(200);
    expect(body).toMatchObject(expected);
  });

  it('is 404 for what was never seen, and 400 for what cannot be', async () => {
    expect((await ask(path('orders', 'never'))).status).toBe(404);
    expect((await ask('/events/%FF/x')).body.error).toMatchObject({ code: 'invalid_argument' });
    expect((await ask(path('orders', 'a\0'))).status).toBe(400);
  });
});

test('GET /stats shows everything under the names of the contract, and POST /stats/reset begins anew', async () => {
  const { body } = await ask('/stats');
  const counts = {
    received: 4,
    received_count: 4,
    unique_processed: 3,
    duplicate_dropped: 0,
    deduplication_rate: 0,
    conflicts: 0,
    dead_lettered: 1,
    redriven: 0,
    in_flight: 0,
  };
  expect(body).toEqual({
    ...counts,
    queue_size: 0,
    topics: ['a/b %', 'gone', '😀'.repeat(255)],
    uptime: expect.any(Number),
    uptime_seconds: expect.any(Number),
    uptime_human: expect.stringMatching(/^\d+h \d+m \d+s$/),
    since: expect.stringMatching(/Z$/),
    lifetime: counts,
  });
  const reset = await ask('/stats/reset', { method: 'POST' });
  expect(reset).toMatchObject({ status: 200, body: { since: expect.any(String) } });
  const after = (await ask('/stats')).body;
  expect(after).toMatchObject({ received: 0, unique_processed: 0, since: reset.body.since, lifetime: { received: 4 } });
});

test('GET /stats/reconcile names what does not add up', async () => {
  const { status, body } = await ask('/stats/reconcile');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    ok: false,
    differences: [{ what: 'missing_events', positions: ['3'] }],
    counters: { unique_processed: 3 },
    rows: { unique_processed: 3 },
    watermark: '4',
  });
});

test.each([
  ['GET', '/nowhere', 404, 'not_found'],
  ['POST', '/nowhere', 404, 'not_found'],
  ['DELETE', '/events', 405, 'method_not_allowed'],
  ['GET', '/publish', 405, 'method_not_allowed'],
  ['PUT', '/events/a/b', 405, 'method_not_allowed'],
  ['GET', '/stats/reset', 405, 'method_not_allowed'],
])('%s %s is %i', async (method, path, status, code) => {
  const init = method === 'GET' ? { method } : { method, body: 'x', headers: { 'content-type': 'text/plain' } };
  const answer = await ask(path, init);
  expect(answer.status).toBe(status);
  expect(answer.body.error).toMatchObject({ code, fields: [] });
  if (status === 405) expect(answer.headers.get('allow')).toMatch(/GET|POST/);
});

test('what is not HTTP is answered in the same shape', async () => {
  const { hostname, port } = new URL(service.addresses.http ?? '');
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connectTcp(Number(port), hostname, () => socket.write('nonsense\r\n\r\n'));
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.on('close', () => resolve(text));
  });
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('{"error":{"code":"invalid_argument"');
});

test('the health says which part is down', async () => {
  const idle = await waitUntil('all but the worker to be there', async () => {
    const answer = await ask('/health');
    const { postgres, nats, gateway } = answer.body.parts;
    return postgres && nats && gateway ? answer : undefined;
  });
  expect(idle.status).toBe(503);
  expect(idle.body).toMatchObject({
    status: 'unhealthy',
    ok: false,
    consumer_running: false,
    queue_size: 0,
    uptime_seconds: expect.any(Number),
    timestamp: expect.stringMatching(/Z$/),
    parts: { postgres: true, nats: true, gateway: true, dedup_worker: false },
  });
  // Somebody pulls from the durable consumer.
  const durable = `${fixture.names.durablePrefix}1`;
  await fixture.jsm.consumers.add(fixture.names.stream, { durable_name: durable, ack_policy: AckPolicy.Explicit });
  const pulling = await fixture.pullFrom(durable);
  const healthy = await waitUntil('the system to be healthy', async () => {
    const answer = await ask('/');
    return answer.status === 200 && answer.body;
  });
  expect(healthy).toMatchObject({ status: 'healthy', ok: true, consumer_running: true });
  await pulling.stop();
});

test('with NATS and the gateway away reads go on, and health says so', async () => {
  const alone = await start({ NATS_URL: 'nats://127.0.0.1:1', GATEWAY_URL: '127.0.0.1:1' });
  try {
    expect((await ask('/events', {}, alone)).body.count).toBe(2);
    expect((await ask('/stats', {}, alone)).body.lifetime.received).toBe(4);
    expect((await ask('/events/orders/unknown', {}, alone)).body.status).toBe('pending');
    expect((await ask('/stats/reconcile', {}, alone)).body.broker_checked).toBe(false);
    const { status, body } = await ask('/health', {}, alone);
    expect(status).toBe(503);
    expect(body.parts).toEqual({ postgres: true, nats: false, gateway: false, dedup_worker: false });
  } finally {
    await alone.stop();
  }
});

test('with Postgres away it starts all the same, and answers 503 with Retry-After', async () => {
  const alone = await start({ DATABASE_URL: 'postgres://127.0.0.1:1/nowhere' });
  try {
    for (const path of ['/events', '/stats', '/events/a/b', '/stats/reconcile']) {
      const { status, headers, body } = await ask(path, {}, alone);
      expect(status).toBe(503);
      expect(headers.get('retry-after')).toBe('1');
      expect(body.error.code).toBe('unavailable');
    }
    expect((await ask('/health', {}, alone)).body).toMatchObject({ ok: false, parts: { postgres: false } });
  } finally {
    await alone.stop();
  }
});

test('gRPC gives the same, with field violations for what is wrong', async () => {
  const client = new QueryServiceClient(service.addresses.grpc ?? '', credentials.createInsecure());
  const call = <T>(run: (done: (error: ServiceError | null, response: T) => void) => void) =>
    new Promise<T>((resolve, reject) => run((error, response) => (error ? reject(error) : resolve(response))));
  const request = ListEventsRequest.fromPartial({});
  const { events } = await call<ListEventsResponse>((done) => client.listEvents(request, done));
  expect(events[0]).toMatchObject({ position: 1n, event: { topic: 'a/b %', payload: { n: 1.1 } } });
  await expect(call((done) => client.listEvents({ ...request, limit: -5 }, done))).rejects.toMatchObject({
    code: 3,
    details: 'limit: must be from 1 to 1000',
  });
  await expect(
    call((done) => client.getEvent({ topic: 'orders', eventId: 'never', payloadFormat: 0 }, done)),
  ).rejects.toMatchObject({ code: 5 });
  expect(await call((done) => client.getStats({}, done))).toMatchObject({ lifetime: { received: 4n } });
  expect(await call((done) => client.reconcile({}, done))).toMatchObject({ ok: false, watermark: 4n });
  client.close();
});

test('a stop lets the answer under way out, and then refuses connections', async () => {
  const short = await start({ DRAIN_TIMEOUT: '20s' });
  const blocker = await fixture.database.pool.connect();
  await blocker.query('begin');
  await blocker.query('lock table topic_counters in access exclusive mode');
  const underWay = ask('/stats', {}, short);
  await waitUntil('the question to wait', () =>
    fixture.database.value<boolean>(
      `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`,
    ),
  );
  const stopping = short.stop();
  await blocker.query('rollback');
  blocker.release();
  expect((await underWay).status).toBe(200);
  await stopping;
  await expect(ask('/stats', {}, short)).rejects.toThrow();
});
