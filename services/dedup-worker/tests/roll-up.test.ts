import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { rollsUp } from '../src/keeper/roll-up.js';
import { ensurePartitions } from '../src/partitions.js';
import { advanceWatermark, openEpoch } from '../src/sql/epochs.js';
import { storeBatch } from '../src/store-batch.js';
import { copyAt, someTimeUs, tallyAt } from './deliveries.js';

let database: TestDatabase;
const dayUs = 86_400_000_000n;
const chapterSize = 65_536;

beforeAll(async () => {
  database = await createDatabase();
  await ensurePartitions(database.pool, [someTimeUs - dayUs, someTimeUs, someTimeUs + dayUs]);
});
afterAll(() => database.drop());

beforeEach(async () => {
  await database.pool.query(`
    truncate event_keys, events, refused, tallies, dead_letters, replays, topic_counters, minute_counters, epochs,
             source_counters, gap_counters, chapters, rollup;
    insert into rollup default values;
    update watermark set position = 0, known = 0`);
  const stream = { created: 'stream-1', firstSequence: 1, lastSequence: 0 };
  await openEpoch(database.pool, 0, stream, 'first start');
});

type Batch = Parameters<typeof storeBatch>[3];
const store = (...batch: Batch) => storeBatch(database.pool, 1, 0, batch);
const settle = (position: number) => advanceWatermark(database.pool, 1, BigInt(position), BigInt(position));
const rollUp = (most: number) => database.value<boolean | null>('select roll_up_v1($1)', [most]);
const reached = async () => Number(await database.value('select position from rollup'));

/** Until nothing waits; how many steps that took. */
async function rollUpAll(most: number): Promise<number> {
  for (let steps = 1; ; steps++) if ((await rollUp(most)) === false) return steps;
}

async function bucketsOf(source = 'shop'): Promise<Record<number, number>> {
  const { rows } = await database.pool.query<{ bucket: number; n: number }>(
    'select bucket, duplicate_count::int as n from gap_counters where source = $1 order by bucket',
    [source],
  );
  return Object.fromEntries(rows.map(({ bucket, n }) => [bucket, n]));
}

/** The same counts, from the rows. */
const countedFromRows = `
  select source, topic, sum(u)::int as uniques, sum(d)::int as duplicates, sum(c)::int as conflicts from (
    select source, topic, 1 as u, 0 as d, 0 as c from events
    union all
    select source, topic, 0, 1, conflict::int from refused
    union all
    select g ->> 'source', g ->> 'topic', 0, jsonb_array_length(g -> 'event_ids'), 0
    from tallies, jsonb_array_elements(groups) g
  ) r group by source, topic order by source collate "C", topic collate "C"`;
const counted = `
  select source, topic, unique_count::int as uniques, duplicate_count::int as duplicates, conflict_count::int as conflicts
  from source_counters order by source, topic`;

async function expectCountsOfRows(): Promise<void> {
  const rows = (await database.pool.query(countedFromRows)).rows;
  expect((await database.pool.query(counted)).rows).toEqual(rows);
  expect(rows.length).toBeGreaterThan(0);
  const gaps = await database.pool.query(`
    select source, topic, sum(duplicate_count)::int as n from gap_counters group by 1, 2 order by 1, 2`);
  expect(gaps.rows).toEqual(
    rows
      .filter(({ duplicates }) => duplicates > 0)
      .map(({ source, topic, duplicates }) => ({ source, topic, n: duplicates })),
  );
  expect(await database.value('select copies::int from rollup')).toBe(
    await database.value('select sum(unique_count + duplicate_count)::int from topic_counters'),
  );
}

/** The same numbers for the same seed. */
function dice(seed: number) {
  let state = seed;
  return (sides: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** Some 600 messages of few ids in batches, some of them handed out twice. */
function history(seed: number): Batch[] {
  const roll = dice(seed);
  const source = () => `source ${roll(3)}`;
  const topic = () => `topic ${roll(2)}`;
  const batches: Batch[number][][] = [];
  for (let position = 1; position < 600; ) {
    const batch = Array.from({ length: 1 + roll(40) }, () => {
      const at = position++;
      if (roll(8) > 0) return copyAt({ position: at, topic: topic(), eventId: `e${roll(150)}`, source: source() });
      const eventIds = Array.from({ length: roll(30) }, () => `e${roll(150)}`);
      return tallyAt(at, [
        { topic: topic(), source: source(), eventIds },
        { topic: topic(), source: source(), eventIds: ['e1'] },
      ]);
    });
    batches.push(batch);
    if (roll(3) === 0) batches.push(batch);
  }
  return batches;
}

describe('counting by source', () => {
  test.each([1, 2, 3])('gives what the rows give, whoever counts, as copies come in (seed %i)', async (seed) => {
    const roll = dice(seed);
    let coming = true;
    const steps = async () => {
      while (coming) await rollUp(1 + roll(70));
    };
    const working = [steps(), steps(), steps()];
    for (const batch of history(seed)) {
      await store(...batch);
      if (roll(2) === 0) await settle(Number(batch.at(-1)?.position));
    }
    coming = false;
    await Promise.all(working);
    await settle(700);
    await rollUpAll(50);
    await expectCountsOfRows();
    expect(await reached()).toBe(700);
  });

  test('leaves alone what is above the watermark', async () => {
    await store(copyAt({ position: 1 }), copyAt({ position: 2, eventId: 'e2' }), copyAt({ position: 3 }));
    expect(await rollUp(100)).toBe(false);
    await settle(2);
    expect(await rollUp(100)).toBe(false);
    expect((await database.pool.query(counted)).rows).toMatchObject([{ uniques: 2, duplicates: 0 }]);
    expect(await reached()).toBe(2);
    await settle(3);
    expect(await rollUp(100)).toBe(false);
    expect((await database.pool.query(counted)).rows).toMatchObject([{ uniques: 2, duplicates: 1 }]);
  });

  test('keeps nothing of a step that breaks off, and lets nobody wait for it', async () => {
    await store(copyAt({ position: 1 }), copyAt({ position: 2 }));
    await settle(2);
    const client = await database.pool.connect();
    await client.query('begin');
    await client.query('select roll_up_v1(100)');
    expect(await rollUp(100)).toBeNull();
    await client.query('rollback');
    client.release();
    expect(await database.value('select count(*)::int from source_counters')).toBe(0);
    expect(await rollUp(100)).toBe(false);
    await expectCountsOfRows();
    expect(await rollUp(100)).toBe(false);
    await expectCountsOfRows();
  });

  test('says when there is more', async () => {
    await store(...[1, 2, 3, 4, 5].map((position) => copyAt({ position, eventId: `e${position}` })));
    await settle(5);
    expect([await rollUp(2), await rollUp(2), await rollUp(2), await rollUp(2)]).toEqual([true, true, false, false]);
  });

  test('takes few tallies in a step when each counts many copies, and one at least', async () => {
    const tally = (position: number, copies: number) =>
      tallyAt(position, [{ topic: 'orders', source: 'shop', eventIds: Array.from({ length: copies }, () => 'e') }]);
    await store(tally(1, 60), tally(2, 40), tally(3, 1), tally(4, 500), tally(5, 1));
    await settle(5);
    const seen = [];
    for (let more: boolean | null = true; more; ) {
      more = await rollUp(100);
      seen.push(await reached());
    }
    expect(seen).toEqual([2, 3, 4, 5]);
    await expectCountsOfRows();
  });

  test('is one chore of many workers, at the same time', async () => {
    for (const batch of history(9)) await store(...batch);
    await settle(700);
    const chores = [1, 2, 3, 4].map(() => rollsUp({ pool: database.pool }));
    while ((await reached()) < 700) await Promise.all(chores.map((chore) => chore.step()));
    await expectCountsOfRows();
    expect(await Promise.all(chores.map((chore) => chore.step()))).toEqual([false, false, false, false]);
  });
});

describe('the gap', () => {
  const us = (ms: number) => BigInt(Math.round(ms * 1000));

  test.each([
    [0, 0],
    [1, 0],
    [1.001, 1],
    [2, 1],
    [2.001, 2],
    [4, 2],
    [1024, 10],
    [1024.001, 11],
    [120_000, 17],
    [2 ** 29, 29],
    [2 ** 29 + 0.001, 30],
    [2 ** 36, 36],
    [2 ** 36 + 0.001, 37],
    [-5, 0],
  ])('of %f ms falls into bucket %i', async (ms, bucket) => {
    const first = someTimeUs - (ms > 1e6 ? us(ms) : 0n);
    await ensurePartitions(database.pool, [first]);
    await store(copyAt({ position: 1, receivedAtUs: first }));
    await store(copyAt({ position: 2, receivedAtUs: first + us(ms) }));
    await store(tallyAt(3, [{ topic: 'orders', source: 'other', eventIds: ['e1', 'e1'] }], first + us(ms)));
    await settle(3);
    await rollUpAll(100);
    expect(await bucketsOf()).toEqual({ [bucket]: 1 });
    expect(await bucketsOf('other')).toEqual({ [bucket]: 2 });
  });

  test('of a copy whose event is not known any more falls into the first bucket', async () => {
    await store(tallyAt(1, [{ topic: 'orders', source: 'shop', eventIds: ['never seen'] }]));
    await settle(1);
    await rollUpAll(100);
    expect(await bucketsOf()).toEqual({ 0: 1 });
  });
});

describe('chapters', () => {
  /** Straight into the table: there must be many. */
  const insertEvents = (from: number, to: number) =>
    database.pool.query(
      `insert into events (position, received_at, topic, event_id, "timestamp", source, payload)
       select n, $3::timestamptz + n % 1000000 * interval '1 ms', 'orders', n::text,
              '2020-01-01'::timestamptz + (n * 7919 % 100000) * interval '1 s', 'shop', '{}'
       from generate_series($1::bigint, $2::bigint) n`,
      [from, to, new Date(Number(someTimeUs / 1000n) - 3_600_000).toISOString()],
    );

  const lastOfChapters = async () =>
    Number(await database.value('select coalesce(max(last_position), 0) from chapters'));

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

  test('have no holes, and tell the times of their events', async () => {
    await insertEvents(1, 3);
    await insertEvents(60_000, 150_000);
    await insertEvents(chapterSize * 5, chapterSize * 5);
    await insertEvents(chapterSize * 7 + 1, chapterSize * 7 + 1);
    for (const position of [2, chapterSize - 1, chapterSize, chapterSize + 1, 140_000, chapterSize * 6, 500_000]) {
      await settle(position);
      await rollUpAll(20_000);
      expect(await reached()).toBe(position);
      await expectWholeChapters();
    }
    expect(await lastOfChapters()).toBe(chapterSize * 7);
    await settle(chapterSize * 8);
    await rollUpAll(7);
    await expectWholeChapters();
    expect(await database.value('select sum(events)::int from chapters')).toBe(3 + 90_001 + 2);
  });

  test('pass over positions that nothing was given, in a few steps', async () => {
    await insertEvents(1, 10);
    const far = 5_000_000_000;
    await insertEvents(far, far + 10);
    await settle(far + 10);
    expect(await rollUpAll(1_000)).toBeLessThan(6);
    await expectWholeChapters();
    expect(await database.value('select count(*)::int from chapters')).toBeLessThan(4);
    expect(await database.value('select unique_count::int from source_counters')).toBe(21);
  });

  test('are full at their last position, however large the step', async () => {
    await insertEvents(1, chapterSize + 5);
    await settle(chapterSize + 5);
    await rollUp(1_000_000);
    expect(await reached()).toBe(chapterSize);
    expect(await lastOfChapters()).toBe(chapterSize);
    await rollUp(1_000_000);
    await expectWholeChapters();
  });
});
