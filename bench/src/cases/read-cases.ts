import { type Client, createClient, type ListOptions } from '@eventsieve/client';
import type { Bench } from '../bench-context.js';
import { idOf, kindsOfPlace, topics } from '../load/events.js';
import { createLatencies } from '../load/latencies.js';
import { type BigSystem, bigSystem } from './big-system.js';
import { loadAndSettle } from './measure-load.js';

export interface ReadCase {
  readonly name: string;
  readonly about: string;
  /** A case whose median this one's is divided by. */
  readonly of?: string;
  /** Fewer when each takes long. */
  readonly times?: number;
  /** While events arrive. */
  readonly arriving?: boolean;
  /** Says what is to be asked for again and again. */
  readonly prepare: (client: Client, big: BigSystem) => Promise<() => Promise<unknown>>;
}

const callers = 2;
// A service that has just started takes three times as long for a page, until V8 has compiled what is in its way: that is
// after one or two thousand pages.
const warmMs = 8_000;
const deepPages = 600;
const topic = topics[0];
const pageSize = 100;
const arrivingPerSecond = 5_000;

/** The first page of a filter, while events arrive. */
function filterCase(
  name: string,
  about: string,
  filter: ListOptions | ((big: BigSystem) => Promise<ListOptions>),
  times?: number,
): ReadCase {
  return {
    name: `page-by-${name}`,
    about: `ListEvents ${about}, the first 100, while 5,000 a second arrive`,
    arriving: true,
    ...(times !== undefined && { times }),
    prepare: async (client, big) => {
      const options = typeof filter === 'function' ? await filter(big) : filter;
      return async () => (await client.pages({ pageSize, ...options }).next()).value;
    },
  };
}

/** When the event in the middle was received and happened. */
async function middleOf({ system: { database }, history }: BigSystem): Promise<{ received: string; happened: string }> {
  const { rows } = await database.pool.query<{ received: Date; happened: Date }>(
    'select received_at as received, "timestamp" as happened from events where position >= $1 order by position limit 1',
    [Math.floor(history.copies / 2)],
  );
  const [middle] = rows;
  if (middle === undefined) throw new Error('there is no event in the middle');
  return { received: middle.received.toISOString(), happened: middle.happened.toISOString() };
}

const filterCases: readonly ReadCase[] = [
  filterCase('topic', 'by topic', { topic }),
  filterCase('pattern', 'by a pattern of two topics, latest first', { topic: 'orders.*', order: 'desc' }),
  filterCase('source', 'by source, latest first', { source: 'shop-3', order: 'desc' }),
  filterCase('topic-and-source', 'by topic and source', { topic, source: 'shop-5' }),
  filterCase('id', 'by id, of any topic', async ({ history }) => ({
    eventId: idOf(kindsOfPlace * 7_919, history.ids),
  })),
  filterCase('received', 'from a time of receipt', async (big) => ({ receivedFrom: (await middleOf(big)).received })),
  filterCase('received-to', 'before a time of receipt, latest first', async (big) => ({
    receivedTo: (await middleOf(big)).received,
    order: 'desc',
  })),
  filterCase('happened', 'from a time of the event', async (big) => ({ from: (await middleOf(big)).happened })),
  filterCase('payload', 'by what many payloads contain', { payload: { currency: 'EUR', customer: { id: 4711 } } }),
  filterCase('mix', 'by topic, source, time and payload', async (big) => ({
    topic: 'orders.>',
    source: 'shop-0',
    receivedFrom: (await middleOf(big)).received,
    payload: { express: false },
  })),
  filterCase('payload-of-none', 'by what no payload contains: stopped', { payload: { currency: 'USD' } }, 10),
];

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
  ...filterCases,
];

export async function runReadCase(bench: Bench, { name, of, times, arriving, prepare }: ReadCase): Promise<void> {
  const big = await bigSystem(bench);
  const client = createClient({ query: big.system.query });
  try {
    const ask = await prepare(client, big);
    const warmSeconds = times === undefined ? warmMs / 1000 : 0;
    const latencies = createLatencies();
    let stopped = 0;
    let asked = 0;
    let begunAtMs = 0;
    const measure = async () => {
      const warmUntilMs = performance.now() + warmSeconds * 1000;
      do await ask();
      while (performance.now() < warmUntilMs);
      big.system.beginUse();
      begunAtMs = performance.now();
      const untilMs = begunAtMs + bench.seconds * 1000;
      const goesOn = () => (times === undefined ? performance.now() < untilMs : asked < times);
      const lanes = Array.from({ length: times === undefined ? callers : 1 }, async () => {
        while (goesOn()) {
          asked++;
          const askedAtMs = performance.now();
          const answer = await ask();
          latencies.add(performance.now() - askedAtMs);
          if (isStopped(answer)) stopped++;
        }
      });
      await Promise.all(lanes);
    };
    // From before the first page that counts, or the start of the process that sends them would be in the figures.
    const plan = {
      door: 'grpc',
      payload: 'json',
      callsPerSecond: arrivingPerSecond / 100,
      seconds: warmSeconds + bench.seconds,
    } as const;
    const load = arriving ? loadAndSettle(bench, big.system, big.history, plan) : undefined;
    // The next case needs the load, too, whatever became of this one.
    await measure().finally(() => load);
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
      more: { readsPerSecond: Math.round(asked / seconds), ...(arriving && { stopped }) },
    });
  } finally {
    client.close();
  }
}

const isStopped = (answer: unknown) => (answer as { stopped?: boolean } | undefined)?.stopped === true;
