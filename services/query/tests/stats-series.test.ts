import { type GetStatsSeriesRequest, SeriesStep } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createApp } from '../src/http/server.js';
import { serveStatsSeries } from '../src/http/stats-series.js';
import { parseInstant } from '../src/instant.js';
import { getStatsSeries } from '../src/rpc/get-stats-series.js';
import { openFixture, type QueryFixture, silent } from './query-fixture.js';

let fixture: QueryFixture;
let app: FastifyInstance;
const dayMs = 86_400_000;
/** Noon of the day before: its rows are in partitions that the fixture has, and its minutes in whole hours. */
const noonMs = Math.floor(Date.now() / dayMs) * dayMs - dayMs / 2;
const at = (ms: number) => new Date(noonMs + ms).toISOString();

beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  app = createApp({
    maxRequestBytes: 1024 ** 2,
    logger: silent,
    serve: (server) => serveStatsSeries(server, fixture.queries),
  });
});
afterAll(async () => {
  await app.close();
  await fixture.close();
});
beforeEach(async () => {
  await fixture.database.pool.query('truncate event_keys, events, refused, topic_counters, minute_counters');
});

async function get(query = '') {
  const { statusCode, body } = await app.inject({ method: 'GET', url: `/stats/series${query}` });
  return { status: statusCode, body: JSON.parse(body) };
}

const series = (request: Partial<GetStatsSeriesRequest> = {}) =>
  getStatsSeries(fixture.queries, { topic: '', from: undefined, to: undefined, step: 0, ...request });

test.each([
  ['1m', 'minute', SeriesStep.SERIES_STEP_MINUTE, 60_000],
  ['1h', 'hour', SeriesStep.SERIES_STEP_HOUR, 3_600_000],
  ['1d', 'day', SeriesStep.SERIES_STEP_DAY, dayMs],
] as const)('points of %s are what the rows give by %s in UTC', async (name, unit, step, stepMs) => {
  const copies = Array.from({ length: 300 }, (_, n) => ({
    position: n + 1,
    topic: n % 3 === 0 ? 'other' : 'orders',
    eventId: `e${n % 170}`,
    payload: n % 7 === 0 ? `{"n":${n}}` : '{}',
    // From noon to beyond midnight, and exactly on borders of minutes and hours.
    receivedAt: at(n * 180_000 - (n % 2)),
  }));
  await fixture.store(...copies);
  const { rows } = await fixture.database.pool.query<{ begin: Date; u: number; d: number; c: number }>(
    `select date_trunc($1, received_at, 'UTC') as begin, sum(u)::int as u, sum(d)::int as d, sum(c)::int as c from (
       select received_at, topic, 1 as u, 0 as d, 0 as c from events
       union all select received_at, topic, 0, 1, conflict::int from refused
     ) r where topic = 'orders' group by 1 order by 1`,
    [unit],
  );
  const from = at(-stepMs * 2);
  const { points, totals } = await series({
    topic: 'orders',
    step,
    from: parseInstant(from),
    to: parseInstant(at(40 * 3_600_000)),
  });
  const shown = points
    .filter(({ counts }) => counts?.received !== 0n)
    .map(({ begin, counts }) => ({
      begin: new Date(Number(begin?.seconds) * 1000),
      u: Number(counts?.uniqueProcessed),
      d: Number(counts?.duplicateDropped),
      c: Number(counts?.conflicts),
    }));
  expect(shown).toEqual(rows);
  expect(rows.some(({ c }) => c > 0)).toBe(true);
  const firstMs = Math.floor(Date.parse(from) / stepMs) * stepMs;
  expect(points.map(({ begin }) => Number(begin?.seconds) * 1000)).toEqual(
    points.map((_, index) => firstMs + index * stepMs),
  );
  expect(Number(totals?.received)).toBe(200);

  const { body } = await get(`?topic=orders&step=${name}&from=${from}&to=${at(40 * 3_600_000)}`);
  expect(body.points).toHaveLength(points.length);
  expect(body.totals).toMatchObject({ received: 200 });
});

test('steps of which nothing is known are there, with zeros', async () => {
  await fixture.store({ position: 1, receivedAt: at(0) }, { position: 2, eventId: 'e1', receivedAt: at(120_000) });
  // In the steps before the first and after the last.
  await fixture.store({ position: 3, receivedAt: at(-60_001) }, { position: 4, receivedAt: at(180_000) });
  const { body } = await get(`?from=${at(-60_000)}&to=${at(180_000)}`);
  const none = {
    received: 0,
    unique_processed: 0,
    duplicate_dropped: 0,
    deduplication_rate: 0,
    conflicts: 0,
    dead_lettered: 0,
    redriven: 0,
  };
  const second = (ms: number) => at(ms).replace('.000', '');
  expect(body).toEqual({
    step: '1m',
    from: second(-60_000),
    to: second(180_000),
    points: [
      { begin: second(-60_000), ...none },
      { begin: second(0), ...none, received: 1, unique_processed: 1 },
      { begin: second(60_000), ...none },
      { begin: second(120_000), ...none, received: 1, duplicate_dropped: 1, deduplication_rate: 100 },
    ],
    totals: { ...none, received: 2, unique_processed: 1, duplicate_dropped: 1, deduplication_rate: 50 },
  });
});

test('without bounds it is the last 60 steps, of which the present one is the last', async () => {
  const { body } = await get('?topic=orders&step=1h');
  expect(body).toMatchObject({ topic: 'orders', step: '1h' });
  expect(body.points).toHaveLength(60);
  const sinceLastMs = Date.now() - Date.parse(body.points.at(-1).begin);
  expect(sinceLastMs).toBeGreaterThanOrEqual(0);
  // The hour may turn in between.
  expect(sinceLastMs).toBeLessThan(3_700_000);
  expect(Date.parse(body.to) - Date.parse(body.from)).toBe(60 * 3_600_000);
});

test('bounds within a step take in the whole of it, bounds between two steps do not', async () => {
  const ends = async (from: number, to: number) => {
    const { body } = await get(`?step=1h&from=${at(from)}&to=${at(to)}`);
    return [Date.parse(body.from) - noonMs, Date.parse(body.to) - noonMs, body.points.length];
  };
  expect(await ends(0, 3_600_000)).toEqual([0, 3_600_000, 1]);
  expect(await ends(1, 3_600_001)).toEqual([0, 7_200_000, 2]);
  expect(await ends(3_599_999, 3_600_000)).toEqual([0, 3_600_000, 1]);
  expect(await ends(0, 1)).toEqual([0, 3_600_000, 1]);
});

test('dead letters and redrives count in the minute in which they happened', async () => {
  await fixture.deadLetter(1, 'orders', 'dead');
  await fixture.database.pool.query(`
    insert into minute_counters (minute, topic, shard, unique_count, redriven_count)
    values (date_trunc('minute', now()), 'orders', 3, 1, 1)`);
  const { totals } = await series();
  expect(totals).toMatchObject({ received: 1n, deadLettered: 1n, redriven: 1n, uniqueProcessed: 1n });
});

test('what retention has summed up is in no step', async () => {
  await fixture.database.pool.query(`
    insert into minute_counters (minute, topic, shard, unique_count) values ('-infinity', 'orders', 0, 7)`);
  const early = { seconds: -62_135_596_800n, nanos: 0 };
  const { points, totals } = await series({ from: early, to: { ...early, seconds: early.seconds + 60n } });
  expect({ points: points.length, received: totals?.received }).toEqual({ points: 1, received: 0n });
  expect((await series()).totals?.received).toBe(0n);
});

test.each([
  ['?step=1w', 'step: must be one of 1m, 1h, 1d'],
  ['?from=yesterday', /^from: must be an ISO 8601/],
  ['?to=2024-13-01T00:00:00Z', /^to: must be an ISO 8601/],
  ['?steps=1m', 'steps: is not a parameter: known are topic, from, to, step'],
  [`?topic=${'x'.repeat(256)}`, 'topic: must have at most 255 characters'],
  ['?from=2024-05-01T12:00:00Z&to=2024-05-01T12:00:00Z', /^from: must be before "to"/],
  ['?from=2999-01-01T00:00:00Z', /^from: must be before "to"/],
  ['?from=2024-05-01T00:00:00Z&to=2024-05-07T22:41:00Z', /^from: would give 10001 points, more than 10000/],
])('%s is refused: %s', async (query, message) => {
  const { status, body } = await get(query);
  expect(status).toBe(400);
  expect(body.error.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
  expect(body.error.fields[0].field).toBe(body.error.message.split(':')[0]);
});

test('ten thousand points are not too many, and the end of all times has a spelling', async () => {
  expect((await get('?from=2024-05-01T00:00:00Z&to=2024-05-07T22:40:00Z')).body.points).toHaveLength(10_000);
  const { body } = await get('?step=1d&from=9999-12-30T00:00:00Z&to=9999-12-31T23:59:59.999999999Z');
  expect(body).toMatchObject({ from: '9999-12-30T00:00:00Z', to: '9999-12-31T00:00:00Z' });
});

test.each([
  [{ step: 9 as SeriesStep }, 'step: has no meaning for 9'],
  [{ to: { seconds: 1n << 60n, nanos: 0 } }, 'to: must be a time from year 1 to 9999'],
  [{ from: { seconds: 0n, nanos: -1 } }, 'from: must be a time from year 1 to 9999'],
  [{ topic: 'a\0' }, 'topic: contains a NUL character'],
])('a call with %o is refused', async (request, message) => {
  await expect(series(request)).rejects.toThrow(message);
});

test('more minutes than the statement timeout allows are refused by the bound that asks for them', async () => {
  const stopped = async () => {
    throw Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
  };
  const slow = { database: { ...fixture.queries.database, query: stopped } };
  const request = { topic: '', from: undefined, to: undefined, step: 0 };
  const from = { seconds: BigInt(Math.floor(Date.now() / 1000) - 3_600), nanos: 0 };
  await expect(getStatsSeries(slow, { ...request, from })).rejects.toThrow(
    /^from: gives more minutes than can be added/,
  );
  await expect(getStatsSeries(slow, { ...request, step: SeriesStep.SERIES_STEP_DAY })).rejects.toThrow(
    /^step: gives more minutes than can be added/,
  );
  // The last hour is always there to be had: then it is the database that is slow.
  await expect(getStatsSeries(slow, request)).rejects.toThrow('statement timeout');
});
