import { randomBytes } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { rollsUp } from '../src/keeper/roll-up.js';
import { ensurePartitions } from '../src/partitions.js';
import { copyAt, someTimeUs, tallyAt } from './deliveries.js';
import { type Batch, openRollUpFixture } from './roll-up-fixture.js';

const { database, empty, store, settle, rollUp, rollUpAll, reached, counted } = await openRollUpFixture();
afterAll(() => database.drop());
beforeEach(empty);

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

async function expectCountsOfRows(): Promise<void> {
  const rows = (await database.pool.query(countedFromRows)).rows;
  expect(await counted()).toEqual(rows);
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
    expect(await counted()).toMatchObject([{ uniques: 2, duplicates: 0 }]);
    expect(await reached()).toBe(2);
    await settle(3);
    expect(await rollUp(100)).toBe(false);
    expect(await counted()).toMatchObject([{ uniques: 2, duplicates: 1 }]);
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

  test('reads each event once', async () => {
    const many = Array.from({ length: 600 }, (_, n) => copyAt({ position: n + 1, eventId: `e${n}` }));
    await store(...many);
    await settle(300);
    // The first step of all knows no day to begin with.
    await rollUpAll(300);
    await settle(600);
    const client = await database.pool.connect();
    const reads = async () => {
      const { rows } = await client.query<{ read: number }>(`
        select sum(pg_stat_get_xact_tuples_returned(indexrelid))::int as read
        from pg_index where indrelid in (select inhrelid from pg_inherits where inhparent = 'events'::regclass)`);
      return rows[0]?.read ?? Number.NaN;
    };
    try {
      await client.query('begin');
      const before = await reads();
      await client.query('select roll_up_v1(300)');
      expect((await reads()) - before).toBe(300);
    } finally {
      client.release(true);
    }
  });

  test('finds events whatever the days in which they came, in any order', async () => {
    const days = [0, -9, -9, 1, -4, -9, 0, 8, 0, 0, -4, 8, -9];
    const receivedAtOf = (day: number) => someTimeUs + BigInt(day) * 86_400_000_000n;
    await ensurePartitions(database.pool, days.map(receivedAtOf));
    await store(
      ...days.map((day, n) => copyAt({ position: n + 1, eventId: `e${n}`, receivedAtUs: receivedAtOf(day) })),
    );
    for (let position = 1; position <= days.length; position += 2) {
      await settle(position);
      await rollUpAll(3);
    }
    await expectCountsOfRows();
  });

  test('goes on past sources and topics that no gateway lets pass, under as much of them as an index takes', async () => {
    const odd = (bytes: number) => randomBytes(bytes / 2).toString('hex');
    const topic = odd(1_200);
    await store(copyAt({ position: 1, topic }), copyAt({ position: 2 }));
    await store(copyAt({ position: 3, source: odd(9_000) }), copyAt({ position: 4, topic, source: odd(9_000) }));
    await store(tallyAt(5, [{ topic: 'orders', source: odd(9_000), eventIds: ['e1'] }]));
    await settle(5);
    await rollUpAll(1_000);
    expect(await reached()).toBe(5);
    const sizes = (await counted()).map(({ source, topic: its, uniques, duplicates }) => {
      return [source.length, its.length, uniques, duplicates];
    });
    expect(sizes).toHaveLength(5);
    expect(sizes.every(([source = 0, its = 0]) => source <= 255 && its <= 255)).toBe(true);
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
