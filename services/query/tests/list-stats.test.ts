import { type ListStatsRequest, StatsGroup } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createApp } from '../src/http/server.js';
import { serveStatsGroups } from '../src/http/stats-groups.js';
import { listStats } from '../src/rpc/list-stats.js';
import { openFixture, type QueryFixture, silent } from './query-fixture.js';

let fixture: QueryFixture;
let app: FastifyInstance;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  app = createApp({
    maxRequestBytes: 1024 ** 2,
    logger: silent,
    serve: (server) => serveStatsGroups(server, fixture.queries),
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

const { STATS_GROUP_TOPIC: byTopic, STATS_GROUP_SOURCE: bySource } = StatsGroup;
const list = (request: Partial<ListStatsRequest>) =>
  listStats(fixture.queries, { group: byTopic, topic: '', limit: 0, cursor: '', ...request });

async function get(path: string) {
  const { statusCode, body } = await app.inject({ method: 'GET', url: `/stats/${path}` });
  return { status: statusCode, body: JSON.parse(body) };
}

async function rollUp(position: number): Promise<void> {
  await fixture.advance(position);
  await fixture.database.pool.query('select roll_up_v1(1000)');
}

async function storeSome(): Promise<void> {
  await fixture.store(
    { position: 1, eventId: 'a', source: 'shop' },
    { position: 2, eventId: 'b', source: 'till' },
    { position: 3, eventId: 'c', source: 'shop', topic: 'z' },
  );
  await fixture.store(
    { position: 4, eventId: 'a', source: 'shop' },
    { position: 5, eventId: 'a', source: 'till' },
    { position: 6, eventId: 'c', source: 'shop', topic: 'z' },
  );
  await fixture.storeTally(7, 'orders', ['a', 'b']);
  await fixture.deadLetter(8, 'orders', 'd');
}

test('an empty system has no topics and no sources', async () => {
  expect((await get('topics')).body).toEqual({ count: 0, topics: [], next_cursor: null });
  expect((await get('sources')).body).toEqual({ count: 0, sources: [], next_cursor: null, behind: 0 });
});

test('topics come by name, each with all of its counts', async () => {
  await storeSome();
  expect((await get('topics')).body).toEqual({
    count: 2,
    topics: [
      {
        topic: 'orders',
        received: 7,
        unique_processed: 2,
        duplicate_dropped: 4,
        deduplication_rate: 57.14,
        conflicts: 1,
        dead_lettered: 1,
        redriven: 0,
      },
      {
        topic: 'z',
        received: 2,
        unique_processed: 1,
        duplicate_dropped: 1,
        deduplication_rate: 50,
        conflicts: 0,
        dead_lettered: 0,
        redriven: 0,
      },
    ],
    next_cursor: null,
  });
});

test('sources come by name, of all topics or of one, and what is not counted yet is behind', async () => {
  await storeSome();
  expect((await get('sources')).body).toMatchObject({ count: 0, behind: 8 });
  await rollUp(5);
  expect((await get('sources')).body).toMatchObject({ count: 2, behind: 3 });
  await rollUp(8);
  const shop = { source: 'shop', received: 6, unique_processed: 2, duplicate_dropped: 4, conflicts: 0 };
  const till = { source: 'till', received: 2, unique_processed: 1, duplicate_dropped: 1, conflicts: 1 };
  expect((await get('sources')).body).toEqual({
    count: 2,
    sources: [
      { ...shop, deduplication_rate: 66.67 },
      { ...till, deduplication_rate: 50 },
    ],
    next_cursor: null,
    behind: 0,
  });
  expect((await get('sources?topic=z')).body).toEqual({
    topic: 'z',
    count: 1,
    sources: [{ ...shop, received: 2, unique_processed: 1, duplicate_dropped: 1, deduplication_rate: 50 }],
    next_cursor: null,
    behind: 0,
  });
  expect((await get('sources?topic=unknown')).body.sources).toEqual([]);
});

test.each([
  ['topics', byTopic],
  ['sources', bySource],
])('pages of %s show each name once, in order, also the empty one', async (path, group) => {
  const names = ['', 'a', 'a b', 'aa', 'B', 'ä', '😀', 'z'.repeat(255)].sort();
  const values = names.flatMap((name) => [name, 0, name, 1]);
  const places = names.flatMap((_, n) => [`($${4 * n + 1}, $${4 * n + 2})`, `($${4 * n + 3}, $${4 * n + 4})`]);
  // Two rows for each: by shard, or by topic.
  const table = group === byTopic ? 'topic_counters (topic, shard)' : 'source_counters (source, topic)';
  await fixture.database.pool.query(`insert into ${table} values ${places.join()}`, values);
  const seen: string[] = [];
  for (let cursor = '', limit = 1; ; limit = 3) {
    const { groups, nextCursor } = await list({ group, limit, cursor });
    seen.push(...groups.map(({ name }) => name));
    if (nextCursor === '') break;
    expect(groups).toHaveLength(limit);
    cursor = nextCursor;
  }
  expect(seen).toEqual(names.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other))));
  const { body } = await get(`${path}?limit=2`);
  expect((await get(`${path}?cursor=${body.next_cursor}`)).body).toMatchObject({ count: 6, next_cursor: null });
});

test.each([
  ['topics?limit=0', 'limit: must be a whole number from 1 to 1000'],
  ['topics?topic=a', 'topic: is not a parameter: known are limit, cursor'],
  ['topics?cursor=AQAAAAAAAAAB', 'cursor: is not a cursor of this list'],
  ['sources?limit=1001', 'limit: must be a whole number from 1 to 1000'],
  ['sources?source=a', 'source: is not a parameter: known are topic, limit, cursor'],
  [`sources?topic=${'x'.repeat(256)}`, 'topic: must have at most 255 characters'],
])('GET /stats/%s is refused: %s', async (path, message) => {
  const { status, body } = await get(path);
  expect({ status, message: body.error.message }).toEqual({ status: 400, message });
});

test.each([
  [{ group: 9 as StatsGroup }, 'group: has no meaning for 9'],
  [{ group: byTopic, topic: 'a' }, 'topic: goes with STATS_GROUP_SOURCE only'],
  [{ limit: -1 }, 'limit: must be from 1 to 1000'],
  [{ limit: 1001 }, 'limit: must be from 1 to 1000'],
])('a call with %o is refused', async (request, message) => {
  await expect(list(request)).rejects.toThrow(message);
});
