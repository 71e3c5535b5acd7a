import type { ResetStatsResponse } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { instantOfMicros } from '../instant.js';
import type { Queries } from '../queries.js';

/** Makes the present counts the baseline. What is in flight is not in it: it will be counted when it is stored. */
export async function resetStats({ database }: Pick<Queries, 'database'>): Promise<ResetStatsResponse> {
  return database.inTransaction(async (transaction) => {
    // A statement of its own: the counts are read after every reset before this one has ended, so none goes back.
    await transaction.query('lock table stats_baseline in share row exclusive mode');
    const [row] = await transaction.query<{ since_us: string }>(upsertBaseline);
    return { since: instantOfMicros(BigInt(row?.since_us ?? 0)) };
  });
}

const upsertBaseline = `
  insert into stats_baseline as b
    (since, received, unique_count, duplicate_count, conflict_count, dead_letter_count, redriven_count)
  select clock_timestamp(),
         coalesce(sum(unique_count + duplicate_count + dead_letter_count - redriven_count), 0),
         coalesce(sum(unique_count), 0), coalesce(sum(duplicate_count), 0), coalesce(sum(conflict_count), 0),
         coalesce(sum(dead_letter_count), 0), coalesce(sum(redriven_count), 0)
  from topic_counters
  on conflict (only_row) do update set
    since = excluded.since, received = excluded.received, unique_count = excluded.unique_count,
    duplicate_count = excluded.duplicate_count, conflict_count = excluded.conflict_count,
    dead_letter_count = excluded.dead_letter_count, redriven_count = excluded.redriven_count
  returning (extract(epoch from b.since) * 1000000)::bigint as since_us`;
