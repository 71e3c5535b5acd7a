import { gatewayMetrics } from '@eventsieve/contract/metric-names';
import { Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createHistogram } from './histogram.js';

const { requestSeconds } = gatewayMetrics;
const { name, help, buckets } = requestSeconds;
const observed = [
  ['stored', 'answered', [0.0001, 0.0005, 0.00051, 0.3, 29.9, 30, 30.1, 1e6]],
  ['broker', 'answered', [0.01, 0.01, 0.01]],
  ['broker', 'failed', []],
] as const;

test('it is shown as a histogram of prom-client is', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const own = createHistogram(ours, requestSeconds);
  const usual = new Histogram({
    name,
    help,
    labelNames: ['wait', 'result'],
    buckets: [...buckets],
    registers: [theirs],
  });
  for (const [wait, result, values] of observed) {
    own.labels({ wait, result });
    usual.zero({ wait, result });
    for (const value of values) {
      own.labels({ wait, result }).observe(value);
      usual.labels({ wait, result }).observe(value);
    }
  }
  const shown = await theirs.metrics();
  expect(shown).toContain(`${name}_bucket{le="+Inf",wait="stored",result="answered"} 8`);
  expect(await ours.metrics()).toBe(shown);
});

test('values that could be taken for one another are series of their own', async () => {
  const registry = new Registry();
  const histogram = createHistogram(registry, requestSeconds);
  histogram.labels({ wait: 'a', result: 'b' }).observe(1);
  histogram.labels({ wait: 'ab', result: '' }).observe(1);
  histogram.labels({ result: 'b', wait: 'a' }).observe(1);
  const counts = (await registry.metrics()).split('\n').filter((line) => line.startsWith(`${name}_count`));
  expect(counts).toEqual([`${name}_count{wait="a",result="b"} 2`, `${name}_count{wait="ab",result=""} 1`]);
});

test('two of one name are refused', () => {
  const registry = new Registry();
  createHistogram(registry, requestSeconds);
  expect(() => createHistogram(registry, requestSeconds)).toThrow(name);
});
