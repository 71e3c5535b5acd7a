import type { ListDuplicatesRequest } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { serveDuplicates } from '../src/http/duplicates.js';
import { createApp } from '../src/http/server.js';
import { listDuplicates } from '../src/rpc/list-duplicates.js';
import { openFixture, type QueryFixture, type StoredCopy, silent } from './query-fixture.js';

let fixture: QueryFixture;
let app: FastifyInstance;
const hourAgoMs = Date.now() - 3_600_000;
const at = (ms: number) => new Date(hourAgoMs + ms).toISOString();

beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  app = createApp({
    maxRequestBytes: 1024 ** 2,
    logger: silent,
    serve: (server) => serveDuplicates(server, fixture.queries),
  });
});
afterAll(async () => {
  await app.close();
  await fixture.close();
});
beforeEach(async () => {
  await fixture.database.pool.query(`
    truncate event_keys, events, refused, tallies, dead_letters, topic_counters, minute_counters, source_counters,
             gap_counters, chapters, rollup;
    insert into rollup default values;
    update watermark set position = 0, known = 0`);
});

async function get(query = '') {
  const { statusCode, body } = await app.inject({ method: 'GET', url: `/duplicates${query}` });
  return { status: statusCode, text: body, body: JSON.parse(body) };
}

const list = (request: Partial<ListDuplicatesRequest> = {}) =>
  listDuplicates(fixture.queries, { topic: '', source: '', limit: 0, cursor: '', ...request });

async function rollUp(position: number): Promise<void> {
  await fixture.advance(position);
  await fixture.database.pool.query('select roll_up_v1(100000)');
}

/** One conflict each, from positions 2 on, with the event at 1. */
const conflicts = (count: number, more: (n: number) => Partial<StoredCopy> = () => ({})) =>
  Array.from({ length: count }, (_, n) => ({ position: n + 2, eventId: 'e1', payload: `{"n":${n}}`, ...more(n) }));

/** Follows the cursors; the positions of each page. */
async function pages(request: Partial<ListDuplicatesRequest>): Promise<bigint[][]> {
  const found: bigint[][] = [];
  for (let cursor = ''; ; ) {
    const answer = await list({ ...request, cursor });
    found.push(answer.conflicts.map(({ refused }) => refused?.position as bigint));
    if (answer.nextCursor === '') return found;
    cursor = answer.nextCursor;
  }
}

const down = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, n) => BigInt(from - n));

test('where nothing came twice there is nobody to name and nothing to suggest', async () => {
  await fixture.store({ position: 1 });
  await rollUp(1);
  expect((await get()).body).toEqual({
    sources: [],
    gaps: [],
    window: null,
    behind: 0,
    next_cursor: null,
    conflicts: [],
  });
});

describe('who repeats', () => {
  beforeEach(async () => {
    await fixture.store(
      { position: 1, eventId: 'a', source: 'shop', receivedAt: at(0) },
      { position: 2, eventId: 'b', source: 'till', receivedAt: at(0) },
      { position: 3, eventId: 'c', source: 'quiet', receivedAt: at(0) },
      { position: 4, eventId: 'd', source: 'shop', topic: 'z', receivedAt: at(0) },
    );
    await fixture.store(
      { position: 5, eventId: 'b', source: 'till', receivedAt: at(3) },
      { position: 6, eventId: 'b', source: 'till', receivedAt: at(4) },
      { position: 7, eventId: 'a', source: 'till', receivedAt: at(90_000) },
      { position: 8, eventId: 'd', source: 'shop', topic: 'z', receivedAt: at(3_000_000) },
    );
  });

  test('comes with the most duplicates first, with gaps and the window that fits them', async () => {
    await rollUp(8);
    const { body } = await get();
    expect(body.sources).toEqual([
      {
        source: 'till',
        topic: 'orders',
        received: 4,
        unique_processed: 1,
        duplicate_dropped: 3,
        deduplication_rate: 75,
        conflicts: 1,
      },
      {
        source: 'shop',
        topic: 'z',
        received: 2,
        unique_processed: 1,
        duplicate_dropped: 1,
        deduplication_rate: 50,
        conflicts: 0,
      },
    ]);
    expect(body.gaps).toEqual([
      { up_to_ms: 4, duplicates: 2 },
      { up_to_ms: 131_072, duplicates: 1 },
      { up_to_ms: 4_194_304, duplicates: 1 },
    ]);
    expect(body.window).toEqual({ suggested: '2h', covered: 1 });
    expect((await list()).window).toEqual({ suggestedMs: 7_200_000n, covered: 1 });
    expect(body.behind).toBe(0);
  });

  test.each([
    ['topic=z', [['shop', 'z']], '2h'],
    ['topic=orders', [['till', 'orders']], '5m'],
    ['source=shop', [['shop', 'z']], '2h'],
    ['topic=orders&source=shop', [], null],
    ['limit=1', [['till', 'orders']], '2h'],
  ])('of %s', async (query, sources, suggested) => {
    await rollUp(8);
    const { body } = await get(`?${query}`);
    expect(body.sources.map(({ source, topic }: { source: string; topic: string }) => [source, topic])).toEqual(
      sources,
    );
    expect(body.window?.suggested ?? null).toBe(suggested);
    const asked = Object.fromEntries(new URLSearchParams(query));
    expect([body.topic, body.source]).toEqual([asked.topic, asked.source]);
  });

  test('says how many copies it has not counted yet', async () => {
    await rollUp(6);
    const { body } = await get();
    expect(body.behind).toBe(2);
    // A list shows everything committed.
    expect(body.conflicts).toHaveLength(1);
  });
});

describe('conflicts', () => {
  test('show both sides, with every digit', async () => {
    const long = '12345678901234567890.10';
    const timestamp = '2024-05-01T12:00:00.000001Z';
    await fixture.store({ position: 1, eventId: 'ü?', payload: `{"n": ${long}}`, receivedAt: at(0) });
    await fixture.store({
      position: 2,
      eventId: 'ü?',
      source: 'other',
      payload: `{"n": ${long}1}`,
      timestamp,
      receivedAt: at(250),
    });
    const { body, text } = await get();
    expect(body.conflicts).toEqual([
      {
        topic: 'orders',
        event_id: 'ü?',
        stored: {
          status: 'stored',
          id: '1',
          timestamp: '2024-05-01T12:00:00Z',
          source: 'shop',
          received_at: at(0),
          payload: expect.anything(),
        },
        refused: {
          id: '2',
          timestamp,
          source: 'other',
          received_at: at(250),
          payload: expect.anything(),
        },
      },
    ]);
    expect(text).toContain(`"payload":{"n": ${long}}`);
    expect(text).toContain(`"payload":{"n": ${long}1}`);
  });

  test('say which side has expired', async () => {
    await fixture.store({ position: 1, receivedAt: at(0) });
    await fixture.store({ position: 2, eventId: 'e1', payload: '{"n":1}', receivedAt: at(1) });
    await fixture.database.pool.query('delete from events');
    const [conflict] = (await get()).body.conflicts;
    expect(conflict.stored).toEqual({
      status: 'expired',
      id: '1',
      timestamp: null,
      source: null,
      received_at: at(0),
      payload: null,
    });
    expect(conflict.refused.payload).toEqual({ n: 1 });
    await fixture.database.pool.query('update refused set payload = null');
    expect((await get()).body.conflicts[0].refused.payload).toBeNull();
    const [side] = (await list()).conflicts;
    expect(side?.stored?.event).toMatchObject({ source: '', timestamp: undefined });
    expect(side?.stored?.event?.payloadJson).toBeUndefined();
  });

  test('come once each, the latest first, whatever the limits, while more come in', async () => {
    await fixture.store({ position: 1 }, ...conflicts(40));
    const seen: bigint[] = [];
    let position = 41;
    for (let cursor = '', limit = 1; ; limit = (limit % 7) + 3) {
      const answer = await list({ cursor, limit });
      seen.push(...answer.conflicts.map(({ refused }) => refused?.position as bigint));
      await fixture.store(...conflicts(2).map((copy) => ({ ...copy, position: ++position })));
      if (answer.nextCursor === '') break;
      cursor = answer.nextCursor;
    }
    expect(seen).toEqual(down(41, 2));
    expect(position).toBeGreaterThan(50);
  });

  test('are only those of the topic and source that were asked for', async () => {
    await fixture.store({ position: 1 }, { position: 100, eventId: 'e1', topic: 'z' });
    await fixture.store(
      ...conflicts(8, (n) => ({ source: n % 2 === 0 ? 'even' : 'odd', topic: n < 4 ? 'orders' : 'z' })),
    );
    expect((await pages({ topic: 'z' })).flat()).toEqual(down(9, 6));
    expect((await pages({ source: 'odd', limit: 1 })).flat()).toEqual([9n, 7n, 5n, 3n]);
    expect((await pages({ source: 'even', topic: 'orders' })).flat()).toEqual([4n, 2n]);
    expect((await pages({ source: 'shop' })).flat()).toEqual([]);
  });

  test('that do not fit are passed over so many at a time, and the cursor goes on', async () => {
    await fixture.store({ position: 1 }, ...conflicts(3, () => ({ source: 'rare' })));
    await fixture.database.pool.query(`
      insert into refused (position, received_at, topic, event_id, "timestamp", source, first_position, first_seen_at,
                           conflict, payload)
      select n, now(), 'orders', 'e1', now(), 'frequent', 1, now(), true, '{}' from generate_series(10, 45000) n`);
    const found = await pages({ source: 'rare' });
    expect(found.flat()).toEqual([4n, 3n, 2n]);
    expect(found.slice(0, -1)).toEqual([[], []]);
  });

  test('with large payloads come in pages that a gRPC client takes, one at least', async () => {
    const large = (bytes: number) => `{"n":"${'x'.repeat(bytes)}"}`;
    await fixture.store({ position: 1, payload: large(400_000) });
    await fixture.store(...conflicts(8, (n) => ({ payload: large(300_000 + n) })));
    await fixture.store({ position: 10, eventId: 'e1', payload: large(5_000_000) });
    const found = await pages({});
    expect(found[0]).toEqual([10n]);
    expect(found.flat()).toEqual(down(10, 2));
    expect(found.slice(1).map((page) => page.length)).toEqual([4, 4]);
  });

  test('with large payloads are read no further than a page goes, however little they take in storage', async () => {
    await fixture.store({ position: 1 });
    await fixture.database.pool.query(`
      insert into refused (position, received_at, topic, event_id, "timestamp", source, first_position, first_seen_at,
                           conflict, payload)
      select n, now(), 'orders', 'e1', now(), 'shop', 1, now(), true, p
      from generate_series(2, 501) n, (select jsonb_build_object('n', repeat('x', 500000)) as p offset 0) payloads`);
    const startedAtMs = performance.now();
    const { conflicts: shown } = await list({ limit: 1000 });
    // All of them as text takes several seconds.
    expect(performance.now() - startedAtMs).toBeLessThan(1_500);
    expect(shown.map(({ refused }) => refused?.position)).toEqual(down(501, 496));
  });
});

test.each([
  ['?limit=0', 'limit: must be a whole number from 1 to 1000'],
  ['?cursor=abc', 'cursor: is not a cursor of this service'],
  ['?cursor=AmE', 'cursor: is not a cursor of this service'],
  ['?topics=a', 'topics: is not a parameter: known are topic, source, limit, cursor'],
  [`?topic=${'x'.repeat(256)}`, 'topic: must have at most 255 characters'],
  ['?source=%00', 'source: contains a NUL character'],
])('GET /duplicates%s is refused: %s', async (query, message) => {
  const { status, body } = await get(query);
  expect({ status, message: body.error.message }).toEqual({ status: 400, message });
});

test.each([-1, 1001])('a limit of %i is refused', async (limit) => {
  await expect(list({ limit })).rejects.toThrow('limit: must be from 1 to 1000');
});
