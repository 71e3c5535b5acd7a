import type { LabelValues, MetricSpec } from '@eventsieve/contract/metric-names';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { createHistogram, type Histogram } from './histogram.js';

/** A page of metrics as Prometheus reads it. */
export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
}

type LabelName<Labels> = keyof Labels & string;

/** A registry of one service's own, with the figures of its process in it: CPU, memory, event loop. */
export function createRegistry(): Registry {
  const register = new Registry();
  collectDefaultMetrics({ register });
  return register;
}

export function expositionOf(registry: Registry): Exposition {
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

/** Every series whose labels are known stands at 0 from the start, so that the first increase of each is seen. */
export function counterOf<Labels extends LabelValues>(
  registry: Registry,
  spec: MetricSpec<Labels>,
): Counter<LabelName<Labels>> {
  const counter = new Counter<LabelName<Labels>>(configOf(registry, spec));
  for (const labels of everySeries(spec.labels)) counter.inc(labels, 0);
  return counter;
}

export function histogramOf<Labels extends LabelValues>(
  registry: Registry,
  spec: MetricSpec<Labels>,
): Histogram<Labels> {
  const histogram = createHistogram(registry, spec);
  for (const labels of everySeries(spec.labels)) histogram.labels(labels);
  return histogram;
}

/** Read whenever somebody scrapes. While the value is not known there is no sample: an old one would be a lie. */
export function gaugeOf(
  registry: Registry,
  spec: MetricSpec,
  read: () => number | undefined | Promise<number | undefined>,
): void {
  new Gauge({
    ...configOf(registry, spec),
    async collect() {
      const value = await read();
      if (value === undefined) this.remove();
      else this.set(value);
    },
  });
}

function configOf<Labels extends LabelValues>(registry: Registry, { name, help, labels }: MetricSpec<Labels>) {
  return { name, help, labelNames: Object.keys(labels) as LabelName<Labels>[], registers: [registry] };
}

/** Every combination of values; none when a label's values are known only at run time. */
function everySeries<Labels extends LabelValues>(labels: Labels): Record<LabelName<Labels>, string>[] {
  const series = Object.entries(labels).reduce<Record<string, string>[]>(
    (before, [label, values]) => before.flatMap((known) => values.map((value) => ({ ...known, [label]: value }))),
    [{}],
  );
  return series as Record<LabelName<Labels>, string>[];
}

/** One thing for each value of a label: children of a metric are looked up once, not for every message. */
export function forEach<const Value extends string, T>(
  values: readonly Value[],
  make: (value: Value) => T,
): Readonly<Record<Value, T>> {
  return Object.fromEntries(values.map((value) => [value, make(value)])) as Record<Value, T>;
}

export interface SharedReadingOptions {
  /** What was read is shown again for so long. */
  readonly everyMs: number;
  /** A scrape waits no longer than this. */
  readonly patienceMs: number;
}

/** A value that costs a question to somebody else, asked for by scrapes only. Undefined while it cannot be learned. */
export function sharedReading<T>(
  read: () => Promise<T>,
  { everyMs, patienceMs }: SharedReadingOptions,
): () => Promise<T | undefined> {
  let reading: Promise<T | undefined> | undefined;
  let under = false;
  let begunAt = 0;

  function begin(): Promise<T | undefined> {
    under = true;
    begunAt = performance.now();
    return read().then(
      (value) => {
        under = false;
        return value;
      },
      () => {
        under = false;
        return undefined;
      },
    );
  }

  return async () => {
    // One that hangs is not joined by a second one.
    if (reading === undefined || (!under && performance.now() - begunAt >= everyMs)) reading = begin();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), patienceMs);
    });
    try {
      return await Promise.race([reading, late]);
    } finally {
      clearTimeout(timer);
    }
  };
}
