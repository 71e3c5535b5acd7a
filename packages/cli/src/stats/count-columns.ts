import type { Counts, SettledCounts } from '@eventsieve/client';
import { percent } from '../output/counts-json.js';

export const settledCountNames = ['received', 'unique', 'duplicates', 'rate', 'conflicts', 'dead', 'redriven'] as const;
export const countNames = [...settledCountNames, 'in flight'] as const;

export function settledCountRow(counts: SettledCounts): (number | string)[] {
  const { received, uniqueProcessed, duplicateDropped, conflicts, deadLettered, redriven } = counts;
  const rate = `${percent(duplicateDropped, received).toFixed(2)}%`;
  return [received, uniqueProcessed, duplicateDropped, rate, conflicts, deadLettered, redriven];
}

export function countRow(counts: Counts): (number | string)[] {
  return [...settledCountRow(counts), counts.inFlight];
}
