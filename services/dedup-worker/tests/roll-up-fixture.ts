import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { ensurePartitions } from '../src/partitions.js';
import { advanceWatermark, openEpoch } from '../src/sql/epochs.js';
import { storeBatch } from '../src/store-batch.js';
import { someTimeUs } from './deliveries.js';

export type Batch = Parameters<typeof storeBatch>[3];

export interface SourceCounts {
  readonly source: string;
  readonly topic: string;
  readonly uniques: number;
  readonly duplicates: number;
  readonly conflicts: number;
}

export interface RollUpFixture {
  readonly database: TestDatabase;
  /** An empty store with its first epoch. */
  empty(): Promise<void>;
  store(...batch: Batch): Promise<unknown>;
  /** Moves the watermark. */
  settle(position: number): Promise<unknown>;
  /** One step: whether there is more, null when somebody else is at it. */
  rollUp(most: number): Promise<boolean | null>;
  /** Until nothing waits; how many steps that took. */
  rollUpAll(most: number): Promise<number>;
  reached(): Promise<number>;
  counted(): Promise<SourceCounts[]>;
}

const dayUs = 86_400_000_000n;

export async function openRollUpFixture(): Promise<RollUpFixture> {
  const database = await createDatabase();
  await ensurePartitions(database.pool, [someTimeUs - dayUs, someTimeUs, someTimeUs + dayUs]);
  const rollUp = (most: number) => database.value<boolean | null>('select roll_up_v1($1)', [most]);
  return {
    database,
    rollUp,
    async empty() {
      await database.pool.query(`
        truncate event_keys, events, refused, tallies, dead_letters, replays, topic_counters, minute_counters, epochs,
                 source_counters, gap_counters, chapters, rollup;
        insert into rollup default values;
        update watermark set position = 0, known = 0`);
      const stream = { created: 'stream-1', firstSequence: 1, lastSequence: 0 };
      await openEpoch(database.pool, 0, stream, 'first start');
    },
    store: (...batch) => storeBatch(database.pool, 1, 0, batch),
    settle: (position) => advanceWatermark(database.pool, 1, BigInt(position), BigInt(position)),
    async rollUpAll(most) {
      for (let steps = 1; ; steps++) if ((await rollUp(most)) === false) return steps;
    },
    reached: async () => Number(await database.value('select position from rollup')),
    async counted() {
      const { rows } = await database.pool.query<SourceCounts>(`
        select source, topic, unique_count::int as uniques, duplicate_count::int as duplicates,
               conflict_count::int as conflicts
        from source_counters order by source, topic`);
      return rows;
    },
  };
}
