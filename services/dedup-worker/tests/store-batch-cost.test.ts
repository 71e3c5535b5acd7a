import type { Pool, PoolClient } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { ensurePartitions } from '../src/partitions.js';
import { openEpoch } from '../src/sql/epochs.js';
import { storeBatch } from '../src/store-batch.js';
import { copyAt, someTimeUs } from './deliveries.js';

let database: TestDatabase;
let client: PoolClient;

beforeEach(async () => {
  database = await createDatabase();
  await ensurePartitions(database.pool, [someTimeUs]);
  await openEpoch(database.pool, 0, { created: 'stream-1', firstSequence: 1, lastSequence: 0 }, 'first start');
  client = await database.pool.connect();
  // What an open transaction has done is known at once.
  await client.query('begin');
});

afterEach(async () => {
  client.release(true);
  await database.drop();
});

const copiesAt = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => copyAt({ position: first + index, eventId: `e${first + index}` }));

/** Stores, and says how often a key was looked for. */
async function store(batch: Parameters<typeof storeBatch>[3]) {
  const scans = async () => {
    const { rows } = await client.query<{ scans: string }>(
      `select pg_stat_get_xact_numscans('event_keys_pkey'::regclass) as scans`,
    );
    return Number(rows[0]?.scans);
  };
  const before = await scans();
  const judged = await storeBatch(client as unknown as Pool, 1, 0, batch);
  return { repeats: [...judged.keys()], lookups: (await scans()) - before };
}

test('only repeats are looked up, however many copies came with them', async () => {
  const repeats = [0, 250, 499].map((index) => copyAt({ position: 501 + index, eventId: `e${1 + index}` }));
  expect(await store([...copiesAt(1, 500), ...repeats])).toEqual({
    repeats: [501n, 751n, 1_000n],
    // Whoever inserts a key and expects its like to be there looks for it first.
    lookups: 500 + repeats.length + repeats.length,
  });
});

test('copies are taken for new, and for sixteen batches after a repeat they are not', async () => {
  const news = { repeats: [], lookups: 0 };
  expect(await store(copiesAt(1, 100))).toEqual(news);
  expect(await store(copiesAt(101, 100))).toEqual(news);
  expect(await store([...copiesAt(201, 99), copyAt({ position: 300, eventId: 'e7' })])).toEqual({
    repeats: [300n],
    lookups: 101,
  });
  expect(await store(copiesAt(301, 100))).toEqual({ repeats: [], lookups: 100 });
  expect(await store(copiesAt(1_900, 100))).toEqual({ repeats: [], lookups: 100 });
  expect(await store(copiesAt(2_000, 99))).toEqual(news);
});
