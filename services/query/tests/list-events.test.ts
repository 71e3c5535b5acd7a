import { randomBytes } from 'node:crypto';
import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { ListEventsRequest, ListEventsResponse, Order } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { encodeCursor } from '../src/cursor.js';
import { listEvents } from '../src/rpc/list-events.js';
import { openFixture, type QueryFixture } from './query-fixture.js';

let fixture: QueryFixture;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  const copies = Array.from({ length: 30 }, (_, i) => ({
    position: i + 1,
    topic: i % 3 === 0 ? 'a.b' : 'a',
    source: i % 2 === 0 ? 'x' : 'y',
  }));
  await fixture.store(...copies);
});
afterAll(() => fixture.close());

const list = async (changes: Partial<ListEventsRequest> = {}) =>
  listEvents(
    fixture.queries,
    ListEventsRequest.fromPartial({ payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON, ...changes }),
  );
const positions = (events: readonly { position: bigint }[]) => events.map(({ position }) => Number(position));

describe('pages', () => {
  it.each([
    [Order.ORDER_ASC, 7],
    [Order.ORDER_DESC, 7],
    [Order.ORDER_ASC, 10],
    [Order.ORDER_DESC, 1],
    [Order.ORDER_ASC, 1000],
  ])('in order %i of %i events each give every event once', async (order, limit) => {
    const seen: number[] = [];
    let cursor = '';
    do {
      const page = await list({ order, limit, cursor });
      expect(page.events.length).toBeLessThanOrEqual(limit);
      seen.push(...positions(page.events));
      cursor = page.nextCursor;
    } while (cursor !== '');
    const all = Array.from({ length: 30 }, (_, i) => i + 1);
    expect(seen).toEqual(order === Order.ORDER_DESC ? all.reverse() : all);
  });

  it('end without a cursor exactly where the events end', async () => {
    expect((await list({ limit: 30 })).nextCursor).toBe('');
    expect((await list({ limit: 29 })).nextCursor).not.toBe('');
    expect(await list({ cursor: encodeCursor(30n) })).toEqual({ events: [], nextCursor: '', stopped: false });
  });

  it('take a cursor with any limit', async () => {
    const { nextCursor } = await list({ limit: 3 });
    expect(positions((await list({ limit: 5, cursor: nextCursor })).events)).toEqual([4, 5, 6, 7, 8]);
  });
});

test('topic and source are compared exactly, and together', async () => {
  expect(positions((await list({ topic: 'a.b', limit: 3 })).events)).toEqual([1, 4, 7]);
  expect(positions((await list({ topic: 'a.b', source: 'y', limit: 3 })).events)).toEqual([4, 10, 16]);
  expect((await list({ topic: 'A.B' })).events).toEqual([]);
  expect((await list({ topicExact: 'a.*' })).events).toEqual([]);
  expect((await list({ topic: "a' or true --" })).events).toEqual([]);
});

test('an event committed above the watermark is in the list, and one below a later one too', async () => {
  await fixture.store({ position: 102, topic: 'late' });
  expect(positions((await list({ topic: 'late' })).events)).toEqual([102]);
  await fixture.store({ position: 101, topic: 'late' });
  expect(positions((await list({ topic: 'late' })).events)).toEqual([101, 102]);
});

test('an event comes back with its microseconds and every digit of its payload', async () => {
  const payload = '{"n": 12345678901234567890.123456789012345678901234567890, "s": "é\\u0007😀"}';
  await fixture.store({
    position: 201,
    topic: 'exact',
    payload,
    timestamp: '0001-01-01T00:00:00.000001Z',
    receivedAt: `${new Date().toISOString().slice(0, 19)}.123456Z`,
  });
  const { events } = await list({ topic: 'exact' });
  expect(events).toMatchObject([
    {
      position: 201n,
      event: { topic: 'exact', eventId: 'e201', source: 'shop', payloadJson: payload },
      receivedAt: { nanos: 123_456_000 },
    },
  ]);
  expect(events[0]?.event?.timestamp).toEqual({ seconds: -62_135_596_800n, nanos: 1000 });
  const asStruct = await list({ topic: 'exact', payloadFormat: PayloadFormat.PAYLOAD_FORMAT_UNSPECIFIED });
  expect(asStruct.events[0]?.event).toMatchObject({ payload: { n: 12345678901234567000, s: 'é\u0007😀' } });
  expect(asStruct.events[0]?.event?.payloadJson).toBeUndefined();
});

test('a page of large events ends early and goes on at its cursor', async () => {
  const payload = JSON.stringify({ text: 'x'.repeat(500_000) });
  for (let i = 0; i < 8; i++) await fixture.store({ position: 301 + i, topic: 'large', payload });
  const first = await list({ topic: 'large' });
  expect(first.events.length).toBeGreaterThan(1);
  expect(first.events.length).toBeLessThan(8);
  const rest = await list({ topic: 'large', cursor: first.nextCursor });
  expect(positions([...first.events, ...rest.events])).toEqual([301, 302, 303, 304, 305, 306, 307, 308]);
  expect(rest.nextCursor).toBe('');
});

test('pages of events that are large in storage, too, miss none', async () => {
  const payloadOf = () => JSON.stringify({ text: randomBytes(250_000).toString('hex') });
  const copies = Array.from({ length: 40 }, (_, i) => ({ position: 401 + i, topic: 'huge', payload: payloadOf() }));
  for (const copy of copies) await fixture.store(copy);
  const found: number[] = [];
  let cursor = '';
  do {
    const page = await list({ topic: 'huge', cursor });
    expect(page.events.length).toBeLessThan(10);
    found.push(...positions(page.events));
    cursor = page.nextCursor;
  } while (cursor !== '');
  expect(found).toEqual(copies.map(({ position }) => position));
});

describe('no page is more than a gRPC client takes by default', () => {
  const numbers = (count: number) => `[${'0,'.repeat(count)}0]`;
  it.each<
    [string, number, (i: number) => { readonly eventId?: string; readonly source?: string; readonly payload: string }]
  >([
    ['of small numbers', 40, () => ({ payload: `{"n":${numbers(60_000)}}` })],
    ['of one that alone has room', 3, () => ({ payload: `{"n":${numbers(340_000)}}` })],
    ['of just less than a page each', 4, () => ({ payload: JSON.stringify({ t: 'x'.repeat(1_040_000) }) })],
    [
      'of nothing but long names',
      1000,
      (i) => ({ eventId: `${i}${'😀'.repeat(251)}`, source: '😀'.repeat(255), payload: '{}' }),
    ],
  ])('%s', async (what, count, copyOf) => {
    const topic = `room ${what}`;
    const copies = Array.from({ length: count }, (_, i) => ({
      position: 1_000_000 + what.length * 10_000 + i,
      topic,
      ...copyOf(i),
    }));
    for (let at = 0; at < count; at += 10) await fixture.store(...copies.slice(at, at + 10));
    for (const payloadFormat of [PayloadFormat.PAYLOAD_FORMAT_JSON, PayloadFormat.PAYLOAD_FORMAT_STRUCT]) {
      const found: number[] = [];
      let cursor = '';
      let pages = 0;
      do {
        const page = await list({ topic, limit: 1000, cursor, payloadFormat });
        expect(ListEventsResponse.encode(page).finish().length).toBeLessThan(4 * 1024 ** 2);
        found.push(...positions(page.events));
        pages++;
        cursor = page.nextCursor;
      } while (cursor !== '');
      expect(found).toEqual(copies.map(({ position }) => position));
      expect(pages).toBeLessThanOrEqual(payloadFormat === PayloadFormat.PAYLOAD_FORMAT_JSON ? 4 : 10);
    }
  });
});

test.each([
  ['limit', { limit: 1001 }],
  ['limit', { limit: -1 }],
  ['cursor', { cursor: 'nonsense' }],
  ['order', { order: 7 as Order }],
  ['payload_format', { payloadFormat: 9 as PayloadFormat }],
  ['topic', { topic: 'a\0b' }],
  ['source', { source: 'x'.repeat(256) }],
])('a wrong %s is refused by its name', async (field, changes) => {
  await expect(list(changes)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', fields: [{ field }] });
});
