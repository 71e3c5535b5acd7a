import { type Client, createClient } from '@eventsieve/client';
import type { Bench } from '../bench-context.js';
import { idOf, kindsOfPlace, topics } from '../load/events.js';
import { createLatencies } from '../load/latencies.js';
import { type BigSystem, bigSystem } from './big-system.js';

export interface ReadCase {
  readonly name: string;
  readonly about: string;
  /** A case whose median this one's is divided by. */
  readonly of?: string;
  /** Fewer when each takes long. */
  readonly times?: number;
  /** Says what is to be asked for again and again. */
  readonly prepare: (client: Client, big: BigSystem) => Promise<() => Promise<unknown>>;
}

const callers = 2;
const deepPages = 600;
const topic = topics[0];
const pageSize = 100;

export const readCases: readonly ReadCase[] = [
  {
    name: 'page-first',
    about: 'ListEvents by topic, the first 100, five million events',
    prepare: async (client) => () => client.pages({ topic, pageSize }).next(),
  },
  {
    name: 'page-deep',
    about: 'the same after 600,000 events of the topic',
    of: 'page-first',
    prepare: async (client) => {
      let cursor: string | undefined;
      let pages = 0;
      for await (const page of client.pages({ topic, pageSize: 1000 })) {
        cursor = page.nextCursor;
        if (++pages === deepPages) break;
      }
      if (cursor === undefined) throw new Error('the topic has too few events for a deep page');
      return () => client.pages({ topic, pageSize, cursor }).next();
    },
  },
  {
    name: 'page-latest',
    about: 'ListEvents of everything, the latest 100',
    prepare: async (client) => () => client.pages({ order: 'desc', pageSize }).next(),
  },
  {
    name: 'page-source',
    about: 'ListEvents by source, the first 100',
    prepare: async (client) => () => client.pages({ source: 'shop-3', pageSize }).next(),
  },
  {
    name: 'get-event',
    about: 'GetEvent, any of five million',
    prepare: async (client, { history }) => {
      let asked = 0;
      return async () => {
        // One that stood at the first place of a call, so that its topic is known.
        const number = ((++asked * 7_919) % history.nextRound) * kindsOfPlace;
        const found = await client.get(topics[0] as string, idOf(number, history.ids));
        if (found?.status !== 'stored') throw new Error(`event ${number} is ${found?.status ?? 'not known'}`);
      };
    },
  },
  { name: 'get-stats', about: 'GetStats', prepare: async (client) => () => client.stats() },
  {
    name: 'reconcile',
    about: 'Reconcile, the audit of all of it',
    times: 5,
    prepare: async (client) => () => client.reconcile({ timeoutMs: 120_000 }),
  },
];

export async function runReadCase(bench: Bench, { name, of, times, prepare }: ReadCase): Promise<void> {
  const big = await bigSystem(bench);
  const client = createClient({ query: big.system.query });
  try {
    const ask = await prepare(client, big);
    for (let warm = 0; warm < (times === undefined ? 200 : 1); warm++) await ask();
    const latencies = createLatencies();
    const untilMs = performance.now() + bench.seconds * 1000;
    let asked = 0;
    const goesOn = () => (times === undefined ? performance.now() < untilMs : asked < times);
    big.system.beginUse();
    const begunAtMs = performance.now();
    const lanes = Array.from({ length: times === undefined ? callers : 1 }, async () => {
      while (goesOn()) {
        asked++;
        const askedAtMs = performance.now();
        await ask();
        latencies.add(performance.now() - askedAtMs);
      }
    });
    await Promise.all(lanes);
    const seconds = (performance.now() - begunAtMs) / 1000;
    const latency = latencies.percentiles();
    const { cpuSeconds: cpuOf, peakMb: rssOf } = big.system.use();
    bench.add({
      name,
      ...latency,
      ratio: of === undefined ? undefined : latency.p50Ms / (bench.results.get(of)?.p50Ms ?? Number.NaN),
      of,
      cpuOf,
      cpuSeconds: Object.values(cpuOf).reduce((sum, each) => sum + each, 0),
      rssOf,
      rssMb: Math.max(...Object.values(rssOf)),
      exact: true,
      more: { readsPerSecond: Math.round(asked / seconds) },
    });
  } finally {
    client.close();
  }
}
