import type { SettledCounts as WireCounts } from '@eventsieve/contract/gen/eventsieve/v1/query';

/** Copies that have a row in Postgres. received + redriven = uniqueProcessed + duplicateDropped + deadLettered. */
export interface SettledCounts {
  readonly received: number;
  /** Events stored. */
  readonly uniqueProcessed: number;
  /** Copies that repeated an event; conflicts are counted in. */
  readonly duplicateDropped: number;
  readonly conflicts: number;
  readonly deadLettered: number;
  readonly redriven: number;
}

/** As numbers: counts stay far below 2^53. */
export function settledCountsOf(counts: WireCounts | undefined): SettledCounts {
  return {
    received: Number(counts?.received ?? 0),
    uniqueProcessed: Number(counts?.uniqueProcessed ?? 0),
    duplicateDropped: Number(counts?.duplicateDropped ?? 0),
    conflicts: Number(counts?.conflicts ?? 0),
    deadLettered: Number(counts?.deadLettered ?? 0),
    redriven: Number(counts?.redriven ?? 0),
  };
}
