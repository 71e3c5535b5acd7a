import type { SettledCounts } from '@eventsieve/contract/gen/eventsieve/v1/query';

/** Counts as JSON numbers: they stay far below 2^53. */
export function settledCountsJson(counts: SettledCounts | undefined) {
  const received = Number(counts?.received ?? 0n);
  const duplicates = Number(counts?.duplicateDropped ?? 0n);
  return {
    received,
    unique_processed: Number(counts?.uniqueProcessed ?? 0n),
    duplicate_dropped: duplicates,
    deduplication_rate: percent(duplicates, received),
    conflicts: Number(counts?.conflicts ?? 0n),
    dead_lettered: Number(counts?.deadLettered ?? 0n),
    redriven: Number(counts?.redriven ?? 0n),
  };
}

/** With two decimals. A redriven copy may be a duplicate now that was received in an earlier minute: never over 100. */
export function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(100, Math.round((part / whole) * 10_000) / 100);
}
