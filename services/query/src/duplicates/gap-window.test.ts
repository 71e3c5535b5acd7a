import { settingsOf } from '@eventsieve/runtime/settings';
import { readStreamLimits } from '@eventsieve/runtime/stream';
import { expect, test } from 'vitest';
import { suggestWindow, windowText } from './gap-window.js';

const gapsOf = (...buckets: readonly (readonly [upToMs: number, duplicates: number])[]) =>
  buckets.map(([upToMs, duplicates]) => ({ upToMs: BigInt(upToMs), duplicates: BigInt(duplicates) }));

test.each([
  ['500ms', 1, gapsOf([1, 5])],
  ['500ms', 1, gapsOf([256, 5])],
  ['1s', 1, gapsOf([512, 5])],
  ['2s', 1, gapsOf([1024, 5])],
  ['500ms', 0.99, gapsOf([1, 99], [2 ** 30, 1])],
  ['30d', 1, gapsOf([1, 98], [2 ** 30, 1])],
  ['30d', 1, gapsOf([1, 989], [2 ** 30, 11])],
  ['500ms', 0.99, gapsOf([1, 990], [2 ** 30, 10])],
  ['2m', 1, gapsOf([65_536, 3])],
  ['5m', 1, gapsOf([131_072, 3])],
  ['365d', 1, gapsOf([2 ** 34, 1])],
  // Nothing longer can be set.
  ['365d', 0.5, gapsOf([1, 1], [2 ** 42, 1])],
])('%s is suggested, which covers %d', (text, covered, gaps) => {
  const window = suggestWindow(gaps);
  expect(window && windowText(window)).toBe(text);
  expect(window?.covered).toBe(covered);
  expect(BigInt(readStreamLimits(settingsOf({ DEDUP_WINDOW: text })).dedupWindowMs)).toBe(window?.suggestedMs);
});

test('without duplicates nothing is suggested', () => {
  expect(suggestWindow([])).toBeUndefined();
});
