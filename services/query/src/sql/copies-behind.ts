import type { Statements } from './database.js';

/**
 * Copies that have a row and are counted by topic, but not by source yet. In the snapshot of the counts that it is said
 * of, so that the two add up.
 */
export async function copiesBehind(snapshot: Statements): Promise<bigint> {
  const [row] = await snapshot.query<{ behind: string }>(`
    select (select coalesce(sum(unique_count + duplicate_count), 0) from topic_counters)
           - (select copies from rollup) as behind`);
  return BigInt(row?.behind ?? 0);
}
