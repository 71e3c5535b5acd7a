import type { Pool } from 'pg';
import { expect, test } from 'vitest';
import { createDatabase } from '../../../tests/support/database.js';
import { ensurePartitions } from '../src/partitions.js';
import { openEpoch } from '../src/sql/epochs.js';
import { storeBatch } from '../src/store-batch.js';
import { copyAt, someTimeUs } from './deliveries.js';

test('only repeats are looked up, however many copies came with them', async () => {
  const database = await createDatabase();
  const client = await database.pool.connect();
  try {
    await ensurePartitions(database.pool, [someTimeUs]);
    await openEpoch(database.pool, 0, { created: 'stream-1', firstSequence: 1, lastSequence: 0 }, 'first start');
    const fresh = Array.from({ length: 500 }, (_, index) => copyAt({ position: index + 1, eventId: `e${index}` }));
    const repeats = [0, 250, 499].map((index) => copyAt({ position: 501 + index, eventId: `e${index}` }));
    const lookups = async () => {
      const { rows } = await client.query<{ scans: string }>(
        `select pg_stat_get_xact_numscans('event_keys_pkey'::regclass) as scans`,
      );
      return Number(rows[0]?.scans);
    };

    await client.query('begin');
    const judged = await storeBatch(client as unknown as Pool, 1, 0, [...fresh, ...repeats]);
    expect([...judged.keys()]).toEqual([501n, 751n, 1_000n]);
    // Whoever inserts a key looks for its like first.
    expect(await lookups()).toBe(fresh.length + repeats.length + repeats.length);
  } finally {
    client.release(true);
    await database.drop();
  }
});
