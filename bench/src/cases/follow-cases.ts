import type { Bench } from '../bench-context.js';
import { startFollowers } from '../load/followers.js';
import { loadAndSettle, newHistory, verified } from './measure-load.js';

export interface FollowCase {
  readonly name: string;
  readonly about: string;
  readonly followers: number;
  readonly seconds: number;
}

export const followCases: readonly FollowCase[] = [
  { name: 'follow-1', about: 'one follower (SSE), 100 events a second', followers: 1, seconds: 20 },
  { name: 'follow-1000', about: 'a thousand followers of the same for a minute', followers: 1_000, seconds: 60 },
];

const batch = 5;
const callsPerSecond = 20;
const plan = { door: 'grpc', payload: 'json', batch, callsPerSecond } as const;
const arrivedWithinMs = 10_000;
const sampleMs = 1_000;

/** What followers cost: what Postgres is asked, how much the query service holds, how late the events come. */
export async function runFollowCase(bench: Bench, { name, followers: count, seconds }: FollowCase): Promise<void> {
  await bench.withSystem(async (system) => {
    const history = newHistory();
    await loadAndSettle(bench, system, history, { ...plan, seconds: 3 });
    const followers = startFollowers(bench.settings.track);
    try {
      const { hostname: host, port } = new URL(system.http);
      await followers.open({ count, host, port: Number(port), path: '/events/stream?from=now' });
      await followers.begin();
      const before = history.events;
      const asked = await transactionsOf(system.database.pool);
      const held: number[] = [];
      const sampling = setInterval(() => held.push(system.heldMb('query') ?? 0), sampleMs);
      const measured = await loadAndSettle(bench, system, history, { ...plan, seconds });
      clearInterval(sampling);
      const transactions = (await transactionsOf(system.database.pool)) - asked;

      const wanted = history.events - before;
      const untilMs = Date.now() + arrivedWithinMs;
      let given = await followers.count();
      while (given.least < wanted && Date.now() < untilMs) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        given = await followers.count();
      }
      const { exact, problems } = await verified(system, history);
      const missed =
        given.least === wanted && given.most === wanted && given.open === count
          ? []
          : [`${given.open} followers were given ${given.least} to ${given.most} events of ${wanted}`];
      const third = Math.ceil(held.length / 3);
      bench.add({
        name,
        eventsPerSecond: given.events / seconds,
        ...given.latency,
        cpuOf: measured.use.cpuSeconds,
        cpuSeconds: Object.values(measured.use.cpuSeconds).reduce((sum, each) => sum + each, 0),
        rssOf: measured.use.peakMb,
        rssMb: measured.use.peakMb.query,
        exact: exact && missed.length === 0,
        problems: [...problems, ...missed],
        more: {
          followers: count,
          transactionsPerSecond: Math.round(transactions / seconds),
          queryMbFirst: Math.round(Math.max(...held.slice(0, third))),
          queryMbLast: Math.round(Math.max(...held.slice(-third))),
          queryCpuSeconds: Math.round((measured.use.cpuSeconds.query ?? 0) * 10) / 10,
        },
      });
    } finally {
      await followers.stop();
    }
  });
}

/** Statements of their own are transactions: every part's together, those of the load too. */
async function transactionsOf(pool: { query(text: string): Promise<{ rows: { n: number }[] }> }): Promise<number> {
  const { rows } = await pool.query(
    'select (xact_commit + xact_rollback)::float8 as n from pg_stat_database where datname = current_database()',
  );
  return rows[0]?.n ?? 0;
}
