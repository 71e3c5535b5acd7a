import { afterAll, beforeEach, expect, test } from 'vitest';
import { someTimeUs } from './deliveries.js';
import { openRollUpFixture } from './roll-up-fixture.js';

const { database, empty, settle, rollUp, rollUpAll, reached, counted } = await openRollUpFixture();
afterAll(() => database.drop());
beforeEach(empty);

const chapterSize = 4_096;

/** Straight into the table: there must be many. */
const insertEvents = (from: number, to: number) =>
  database.pool.query(
    `insert into events (position, received_at, topic, event_id, "timestamp", source, payload)
     select n, $3::timestamptz + n % 1000000 * interval '1 ms', 'orders', n::text,
            '2020-01-01'::timestamptz + (n * 7919 % 100000) * interval '1 s', 'shop', '{}'
     from generate_series($1::bigint, $2::bigint) n`,
    [from, to, new Date(Number(someTimeUs / 1000n) - 3_600_000).toISOString()],
  );

const lastOfChapters = async () => Number(await database.value('select coalesce(max(last_position), 0) from chapters'));

async function expectWholeChapters(): Promise<void> {
  const { rows } = await database.pool.query<{ first_position: string; last_position: string }>(
    'select first_position, last_position from chapters order by first_position',
  );
  let before = 0;
  for (const row of rows) {
    expect(Number(row.first_position)).toBe(before + 1);
    before = Number(row.last_position);
    expect(before % chapterSize).toBe(0);
  }
  expect(before).toBe(Math.floor((await reached()) / chapterSize) * chapterSize);
  const wrong = await database.pool.query(`
    select c.*, r.* from chapters c, lateral (
      select count(*) as n, min(received_at) as a, max(received_at) as b, min("timestamp") as c, max("timestamp") as d
      from events where position between c.first_position and c.last_position
    ) r
    where (c.events, c.received_from, c.received_to, c.happened_from, c.happened_to)
          is distinct from (r.n::integer, r.a, r.b, r.c, r.d)`);
  expect(wrong.rows).toEqual([]);
}

test('chapters have no holes, and tell the times of their events', async () => {
  await insertEvents(1, 3);
  await insertEvents(7_500, 18_500);
  await insertEvents(chapterSize * 5, chapterSize * 5);
  await insertEvents(chapterSize * 7 + 1, chapterSize * 7 + 1);
  for (const position of [2, chapterSize - 1, chapterSize, chapterSize + 1, 17_500, chapterSize * 6, 31_000]) {
    await settle(position);
    await rollUpAll(20_000);
    expect(await reached()).toBe(position);
    await expectWholeChapters();
  }
  expect(await lastOfChapters()).toBe(chapterSize * 7);
  await settle(chapterSize * 8);
  await rollUpAll(7);
  await expectWholeChapters();
  expect(await database.value('select sum(events)::int from chapters')).toBe(3 + 11_001 + 2);
});

test('positions that nothing was given are passed over in a few steps', async () => {
  await insertEvents(1, 10);
  const far = 5_000_000_000;
  await insertEvents(far, far + 10);
  await settle(far + 10);
  expect(await rollUpAll(1_000)).toBeLessThan(6);
  await expectWholeChapters();
  expect(await database.value('select count(*)::int from chapters')).toBeLessThan(4);
  expect(await database.value('select unique_count::int from source_counters')).toBe(21);
});

test('no position that has a repeat is passed over', async () => {
  await insertEvents(1, 1);
  const [ofRefused, ofTally] = [chapterSize * 10, chapterSize * 20];
  await database.pool.query(
    `insert into refused (position, received_at, topic, event_id, "timestamp", source, first_position, first_seen_at,
                          conflict)
     values ($1, now(), 'orders', '1', now(), 'refused', 1, now(), false)`,
    [ofRefused],
  );
  await database.pool.query(
    `insert into tallies values ($1, now(), 1, '[{"topic": "orders", "source": "tallied", "event_ids": ["1"]}]')`,
    [ofTally],
  );
  await settle(chapterSize * 30);
  expect(await rollUpAll(100)).toBeLessThan(10);
  expect(await counted()).toMatchObject([
    { source: 'refused', duplicates: 1 },
    { source: 'shop', uniques: 1 },
    { source: 'tallied', duplicates: 1 },
  ]);
  await expectWholeChapters();
});

test('a chapter is full at its last position, however large the step', async () => {
  await insertEvents(1, chapterSize + 5);
  await settle(chapterSize + 5);
  await rollUp(1_000_000);
  expect(await reached()).toBe(chapterSize);
  expect(await lastOfChapters()).toBe(chapterSize);
  await rollUp(1_000_000);
  await expectWholeChapters();
});
