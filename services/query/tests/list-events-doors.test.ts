import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import {
  ListEventsRequest,
  type ListEventsResponse,
  QueryServiceClient,
} from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { RunningPart } from '@eventsieve/runtime/lifecycle';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { formatInstant, parseInstant } from '../src/instant.js';
import { startQuery } from '../src/start.js';
import { openFixture, type QueryFixture, silent } from './query-fixture.js';

let fixture: QueryFixture;
let service: RunningPart;
let client: QueryServiceClient;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  await fixture.store(
    ...Array.from({ length: 40 }, (_, i) => ({
      position: i + 1,
      topic: ['a', 'a.b', 'a.*', 'ü/&?='][i % 4] as string,
      source: `s${i % 3}`,
      eventId: `e${Math.floor(i / 4)}`,
      payload: `{"n": ${i % 5}, "exact": 0.10}`,
      timestamp: `2024-05-01T12:00:${String(i).padStart(2, '0')}.000001Z`,
    })),
  );
  service = await startQuery(
    {
      DATABASE_URL: fixture.database.url,
      NATS_URL: inject('natsUrl'),
      NATS_PREFIX: fixture.names.stream.replace('EVENTSIEVE_', ''),
      HTTP_PORT: '0',
      QUERY_GRPC_PORT: '0',
      GATEWAY_URL: '127.0.0.1:1',
      DRAIN_TIMEOUT: '1s',
      SEARCH_TIMEOUT: '50ms',
    },
    silent,
  );
  client = new QueryServiceClient(service.addresses.grpc as string, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await service.stop();
  await fixture.close();
});

type Parameters = Readonly<Record<string, string>>;

async function askHttp(parameters: Parameters) {
  const response = await fetch(`${service.addresses.http}/events?${new URLSearchParams(parameters)}`);
  return { status: response.status, body: JSON.parse(await response.text()) };
}

function askGrpc(parameters: Parameters): Promise<ListEventsResponse> {
  const { topic_exact, event_id, received_from, received_to, from, to, order, limit, ...rest } = parameters;
  const instant = (text: string | undefined) => (text === undefined ? undefined : parseInstant(text));
  const request = ListEventsRequest.fromPartial({
    ...rest,
    topicExact: topic_exact ?? '',
    eventId: event_id ?? '',
    receivedFrom: instant(received_from),
    receivedTo: instant(received_to),
    from: instant(from),
    to: instant(to),
    order: order === 'desc' ? 2 : 0,
    limit: Number(limit ?? 0),
    payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON,
  });
  return new Promise((resolve, reject) => {
    client.listEvents(request, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

const now = Date.now();
const at = (ms: number) => new Date(now + ms).toISOString();

test.each<[string, Parameters, number]>([
  ['nothing', {}, 40],
  ['a topic', { topic: 'ü/&?=' }, 10],
  ['a pattern', { topic: 'a.*' }, 20],
  ['a pattern for all below', { topic: 'a.>', order: 'desc' }, 20],
  ['an exact topic', { topic_exact: 'a.*' }, 10],
  ['a source', { source: 's1' }, 13],
  ['an id of any topic', { event_id: 'e3' }, 4],
  ['an id of a pattern', { event_id: 'e3', topic: 'a.*' }, 2],
  ['the time of receipt', { received_from: at(-3_600_000), received_to: at(60_000) }, 40],
  ['a time before all of them', { received_to: at(-3_600_000) }, 0],
  ['the time of the event', { from: '2024-05-01T12:00:10Z', to: '2024-05-01T14:00:20.000001+02:00' }, 10],
  ['a payload', { payload: '{"n": 3.0}' }, 8],
  ['a payload with all digits', { payload: '{"exact": 0.1}' }, 40],
  ['a mix', { topic: 'a.*', source: 's1', payload: '{"n": 1}', from: '2024-05-01T12:00:01Z', order: 'desc' }, 1],
])('%s gives the same over HTTP and gRPC', async (_, filters, count) => {
  for (const limit of ['1000', '3']) {
    const parameters = { ...filters, limit };
    const { status, body } = await askHttp(parameters);
    expect(status).toBe(200);
    const { events, nextCursor, stopped } = await askGrpc(parameters);
    expect(body).toEqual({
      ...(filters.topic || filters.topic_exact ? { topic: filters.topic ?? filters.topic_exact } : {}),
      count: events.length,
      events: events.map(({ position, receivedAt, event }) => ({
        id: position.toString(),
        topic: event?.topic,
        event_id: event?.eventId,
        source: event?.source,
        timestamp: event?.timestamp && formatInstant(event.timestamp),
        received_at: receivedAt && formatInstant(receivedAt),
        payload: JSON.parse(event?.payloadJson ?? ''),
      })),
      next_cursor: nextCursor === '' ? null : nextCursor,
    });
    expect(stopped).toBe(false);
    expect(events).toHaveLength(Math.min(count, Number(limit)));
    expect(nextCursor !== '').toBe(count > Number(limit));
  }
});

test.each<[string, Parameters]>([
  ['topic', { topic: 'a\0' }],
  ['topic_exact', { topic: 'a', topic_exact: 'a' }],
  ['topic_exact', { topic_exact: 'x'.repeat(256) }],
  ['source', { source: '' }],
  ['event_id', { event_id: 'a\0' }],
  ['received_from', { received_from: 'yesterday' }],
  ['received_to', { received_to: '2024-02-30T00:00:00Z' }],
  ['received_to', { received_from: '2024-02-02T00:00:00Z', received_to: '2024-02-01T00:00:00Z' }],
  ['from', { from: '1714564800' }],
  ['to', { from: '2024-02-02T00:00:00Z', to: '2024-02-01T00:00:00Z' }],
  ['payload', { payload: '[1]' }],
  ['payload', { payload: '{"a": "\\u0000"}' }],
  ['payload', { payload: '{"a": "\\ud800"}' }],
  ['payload', { payload: '{"a": 1e999999}' }],
  ['payload', { payload: '{' }],
  ['order', { order: 'up' }],
  ['limit', { limit: '1001' }],
  ['limit', { limit: '0' }],
  ['cursor', { cursor: 'AAAA' }],
  ['since', { since: '2024-02-01T00:00:00Z' }],
])('over HTTP a wrong %s is 400 and named', async (field, parameters) => {
  const { status, body } = await askHttp(parameters);
  expect(status).toBe(400);
  expect(body.error).toMatchObject({ code: 'invalid_argument', fields: [{ field }] });
});

test('a parameter given twice is refused by its name', async () => {
  const response = await fetch(`${service.addresses.http}/events?source=a&source=b`);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { fields: [{ field: 'source' }] } });
});

test('a search that was stopped says so over both doors, and only then', async () => {
  await fixture.database.pool.query(`
    insert into events
    select p, now() - interval '1 hour', 'big', 'e' || p, now(), 's', jsonb_build_object('text', repeat('x', 600), 'n', p)
    from generate_series(1001, 200000) p`);
  const search = { payload: '{"n": -1}' };
  const { body } = await askHttp(search);
  expect(body).toEqual({ count: 0, events: [], next_cursor: expect.stringMatching(/^[\w-]+$/), stopped: true });
  const { events, nextCursor, stopped } = await askGrpc(search);
  expect({ events, stopped }).toEqual({ events: [], stopped: true });
  expect(nextCursor).not.toBe('');
  // On to the end.
  let cursor = body.next_cursor;
  let pages = 0;
  for (; cursor !== null; pages++) cursor = (await askHttp({ ...search, cursor })).body.next_cursor;
  expect(pages).toBeGreaterThan(0);
});
