import type { Counts, SettledCounts } from '@eventsieve/client';

/** As the HTTP door has them. */
export function settledCountsJson(counts: SettledCounts) {
  const { received, uniqueProcessed, duplicateDropped, conflicts, deadLettered, redriven } = counts;
  return {
    received,
    unique_processed: uniqueProcessed,
    duplicate_dropped: duplicateDropped,
    deduplication_rate: percent(duplicateDropped, received),
    conflicts,
    dead_lettered: deadLettered,
    redriven,
  };
}

export function countsJson(counts: Counts) {
  const { received, ...rest } = settledCountsJson(counts);
  return { received, received_count: received, ...rest, in_flight: counts.inFlight };
}

/** With two decimals. A redriven copy may be a duplicate now that was received in an earlier minute: never over 100. */
export function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(100, Math.round((part / whole) * 10_000) / 100);
}
