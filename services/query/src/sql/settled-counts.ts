import type { SettledCounts } from '@eventsieve/contract/gen/eventsieve/v1/query';

type Count = 'unique_count' | 'duplicate_count' | 'conflict_count' | 'dead_letter_count' | 'redriven_count';

export type CountsRow = { readonly [column in Count]: string };

/** Of topic_counters or minute_counters, whose shards are added up. */
export const countSums = `
  sum(unique_count) as unique_count, sum(duplicate_count) as duplicate_count, sum(conflict_count) as conflict_count,
  sum(dead_letter_count) as dead_letter_count, sum(redriven_count) as redriven_count`;

export function settledCountsOf(row: CountsRow): SettledCounts {
  const uniqueProcessed = BigInt(row.unique_count);
  const duplicateDropped = BigInt(row.duplicate_count);
  const deadLettered = BigInt(row.dead_letter_count);
  const redriven = BigInt(row.redriven_count);
  return {
    received: uniqueProcessed + duplicateDropped + deadLettered - redriven,
    uniqueProcessed,
    duplicateDropped,
    conflicts: BigInt(row.conflict_count),
    deadLettered,
    redriven,
  };
}

export function sumOf(all: Iterable<SettledCounts>): SettledCounts {
  const sum = {
    received: 0n,
    uniqueProcessed: 0n,
    duplicateDropped: 0n,
    conflicts: 0n,
    deadLettered: 0n,
    redriven: 0n,
  };
  for (const counts of all) for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += counts[name];
  return sum;
}
