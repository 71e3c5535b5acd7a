import type { Statements } from '../sql/database.js';

/**
 * Up to which position there is no event of these topics from this source. The roll-up counts settled events by source
 * and topic: where it has met none, there is none, and two filters that are common alone need not be walked for nothing.
 */
export async function unmetUpTo(database: Statements, topics: readonly string[], source: string): Promise<bigint> {
  const [row] = await database.query<{ readonly position: string }>(
    `select position from rollup where not exists (
       select from source_counters c where c.source = $1 and c.topic = any ($2) and c.unique_count > 0
     )`,
    [source, topics],
  );
  return BigInt(row?.position ?? 0);
}
