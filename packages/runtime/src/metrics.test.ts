import { gatewayMetrics, queryMetrics, workerMetrics } from '@eventsieve/contract/metric-names';
import { expect, test, vi } from 'vitest';
import { counterOf, createRegistry, expositionOf, gaugeOf, histogramOf, sharedReading } from './metrics.js';

const linesOf = async (registry: ReturnType<typeof createRegistry>, name: string) =>
  (await expositionOf(registry).text()).split('\n').filter((line) => line.startsWith(name));

test('every series whose labels are known stands at 0 before anything happened', async () => {
  const registry = createRegistry();
  counterOf(registry, gatewayMetrics.received);
  histogramOf(registry, gatewayMetrics.requestSeconds);
  counterOf(registry, workerMetrics.stored);
  expect(await linesOf(registry, gatewayMetrics.received.name)).toEqual([
    `${gatewayMetrics.received.name}{wait="broker"} 0`,
    `${gatewayMetrics.received.name}{wait="stored"} 0`,
  ]);
  expect(await linesOf(registry, `${gatewayMetrics.requestSeconds.name}_count`)).toHaveLength(8);
  expect(await linesOf(registry, workerMetrics.stored.name)).toEqual([`${workerMetrics.stored.name} 0`]);
});

test('a histogram whose labels are known only at run time begins without series', async () => {
  const registry = createRegistry();
  histogramOf(registry, queryMetrics.httpSeconds);
  expect(await linesOf(registry, queryMetrics.httpSeconds.name)).toEqual([]);
});

test('two registries in one process know nothing of each other', async () => {
  const [one, two] = [createRegistry(), createRegistry()];
  counterOf(one, workerMetrics.stored).inc();
  counterOf(two, workerMetrics.stored);
  expect(await linesOf(two, workerMetrics.stored.name)).toEqual([`${workerMetrics.stored.name} 0`]);
});

test('a gauge is read at each scrape, and has no sample while its value is not known', async () => {
  const registry = createRegistry();
  let value: number | undefined = 7;
  gaugeOf(registry, workerMetrics.epoch, () => value);
  const { name } = workerMetrics.epoch;
  expect(await linesOf(registry, name)).toEqual([`${name} 7`]);
  value = undefined;
  expect(await linesOf(registry, name)).toEqual([]);
  value = Number.POSITIVE_INFINITY;
  expect(await linesOf(registry, name)).toEqual([`${name} +Inf`]);
});

test('scrapes share a reading, and a new one is begun only when it has grown old', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  try {
    let readings = 0;
    const read = sharedReading(async () => ++readings, { everyMs: 1_000, patienceMs: 500 });
    expect(await Promise.all([read(), read(), read()])).toEqual([1, 1, 1]);
    vi.advanceTimersByTime(999);
    expect(await read()).toBe(1);
    vi.advanceTimersByTime(1);
    expect(await read()).toBe(2);
  } finally {
    vi.useRealTimers();
  }
});

test('a reading that hangs holds up no scrape and is not joined by another; one that fails is undefined', async () => {
  let answer: (value: number) => void = () => undefined;
  let begun = 0;
  const read = sharedReading(
    () => {
      begun++;
      return new Promise<number>((resolve) => {
        answer = resolve;
      });
    },
    { everyMs: 0, patienceMs: 20 },
  );
  expect(await read()).toBeUndefined();
  expect(await read()).toBeUndefined();
  expect(begun).toBe(1);
  const asked = read();
  answer(42);
  expect(await asked).toBe(42);

  const failing = sharedReading(() => Promise.reject(new Error('away')), { everyMs: 0, patienceMs: 20 });
  expect(await failing()).toBeUndefined();
});
