import { expect, test } from 'vitest';
import { percent, settledCountsJson } from './settled-counts-json.js';

test.each([
  [0, 0, 0],
  [0, 7, 0],
  [1, 3, 33.33],
  [2, 3, 66.67],
  [7, 7, 100],
])('%d of %d are %d percent', (part, whole, expected) => {
  expect(percent(part, whole)).toBe(expected);
});

test('a copy that was received in another minute makes no rate of more than 100 percent', () => {
  const redriven = { received: 1n, uniqueProcessed: 0n, duplicateDropped: 2n, conflicts: 0n, deadLettered: 0n };
  expect(settledCountsJson({ ...redriven, redriven: 1n })).toMatchObject({ received: 1, deduplication_rate: 100 });
});
