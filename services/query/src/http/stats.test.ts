import { expect, test } from 'vitest';
import { countsJson, humanDuration } from './stats.js';

test.each([
  [0, '0h 0m 0s'],
  [59.9, '0h 0m 59s'],
  [3600, '1h 0m 0s'],
  [360_061, '100h 1m 1s'],
])('%d seconds are %s', (seconds, text) => {
  expect(humanDuration(seconds)).toBe(text);
});

test('the rate of duplicates is a percentage with two decimals, and 0 of nothing', () => {
  const none = {
    received: 0n,
    uniqueProcessed: 0n,
    duplicateDropped: 0n,
    conflicts: 0n,
    deadLettered: 0n,
    redriven: 0n,
    inFlight: 0n,
  };
  expect(countsJson(none).deduplication_rate).toBe(0);
  expect(countsJson({ ...none, received: 3n, duplicateDropped: 1n }).deduplication_rate).toBe(33.33);
  expect(countsJson({ ...none, received: 7n, duplicateDropped: 7n })).toMatchObject({
    deduplication_rate: 100,
    received_count: 7,
  });
  // A redriven copy that was received before a reset.
  expect(countsJson({ ...none, received: 1n, duplicateDropped: 2n }).deduplication_rate).toBe(100);
});
