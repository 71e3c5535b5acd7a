import type { Track } from '@eventsieve/embedded/child';
import { measureCeiling, measureCeilingAs } from './baselines/ceiling.js';
import { type NoopDoor, startNoop } from './baselines/noop.js';
import { newIdShape } from './load/events.js';
import { startLoader } from './load/loader.js';
import type { LoadPlan, LoadResult } from './load/plan.js';
import type { CaseResult } from './result.js';
import { type Servers, startServers } from './world/servers.js';
import { type System, startSystem } from './world/system.js';

export interface BenchSettings {
  /** The repository, built. */
  readonly root: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly natsBinary: string;
  readonly track: Track;
  readonly stopping: AbortSignal;
  readonly say: (line: string) => void;
  /** How long a case is measured. */
  readonly seconds: number;
  /** Where each service leaves a CPU profile. */
  readonly profile: string | undefined;
}

export type Bench = Awaited<ReturnType<typeof openBench>>;

/** For each attempt of a search; long runs look longer. */
const searchShare = 1 / 6;

/** What cases share: servers, load, and baselines and systems that are made when the first case asks for them. */
export async function openBench(settings: BenchSettings) {
  const { root, environment, natsBinary, track, stopping, say, seconds, profile } = settings;
  const nodeFlags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const servers: Servers = await startServers({ natsBinary, track, stopping });
  const results = new Map<string, CaseResult>();
  const shared = new Map<string, Promise<unknown>>();
  const endings: (() => Promise<void>)[] = [];

  const bench = {
    settings,
    seconds,
    servers,
    results,

    /** Made once, for whoever asks first. */
    once<T>(name: string, make: () => Promise<T>): Promise<T> {
      const made = shared.get(name) ?? make();
      shared.set(name, made);
      return made as Promise<T>;
    },

    atEnd: (end: () => Promise<void>) => void endings.unshift(end),

    /** Made once, and stopped at the end of the run. */
    untilTheEnd: <T extends { stop(): Promise<void> }>(name: string, make: () => Promise<T>) =>
      bench.once(name, async () => {
        const made = await make();
        endings.unshift(made.stop);
        return made;
      }),

    startSystem(more: Readonly<Record<string, string>> = {}): Promise<System> {
      stopping.throwIfAborted();
      return startSystem({ root, path: environment.PATH ?? '', nodeFlags, servers, track, environment: more });
    },

    async withSystem<T>(work: (system: System) => Promise<T>, more?: Readonly<Record<string, string>>): Promise<T> {
      const system = await bench.startSystem(more);
      try {
        return await work(system);
      } finally {
        await system.stop();
      }
    },

    async load(plan: Partial<LoadPlan> & Pick<LoadPlan, 'door' | 'target'>): Promise<LoadResult> {
      stopping.throwIfAborted();
      // A process for each door: one that has made gRPC calls makes HTTP requests more slowly from then on.
      const loader = await bench.untilTheEnd(`load-${plan.door}`, async () => startLoader(track));
      return loader.run({
        batch: 100,
        payload: 'struct',
        stored: false,
        repeats: 0,
        connections: 2,
        inFlight: 8,
        seconds,
        ids: newIdShape(),
        firstRound: 0,
        ...plan,
      });
    },

    ceiling: () =>
      bench.once('ceiling', async () => {
        say('measuring what Postgres alone can insert');
        const ceiling = await measureCeiling(root, servers.postgres.url, {
          searchSeconds: seconds * searchShare,
          seconds,
        });
        const { eventsPerSecond, connections, batch } = ceiling;
        bench.add({ name: 'ceiling', eventsPerSecond, exact: true, more: { connections, batch } });
        return ceiling;
      }),

    /** The same again, right before and right after a case: what the machine gives moves by a third within minutes. */
    async besideCeiling<T>(work: () => Promise<T>): Promise<{ made: T; before: number; after: number }> {
      const best = await bench.ceiling();
      const measure = () => {
        stopping.throwIfAborted();
        return measureCeilingAs(root, servers.postgres.url, best, seconds);
      };
      const before = await measure();
      const made = await work();
      return { made, before, after: await measure() };
    },

    noop: (door: NoopDoor) =>
      bench.once(`${door}-noop`, async () => {
        say(`measuring the ${door} library with a handler that does nothing`);
        const noop = await bench.untilTheEnd(`${door}-server`, () => startNoop(door, track));
        const plan = {
          door,
          target: noop.address,
          batch: 1,
          stored: true,
          connections: door === 'http' ? 50 : 4,
        } as const;
        await bench.load({ ...plan, inFlight: 50, seconds: seconds / 4 });
        const { copies, seconds: took, latency } = await bench.load({ ...plan, inFlight: 50 });
        bench.add({ name: `${door}-noop`, eventsPerSecond: copies / took, ...latency, exact: true });
        return copies / took;
      }),

    add(result: CaseResult): void {
      results.set(result.name, result);
      const { name, eventsPerSecond, ratio, p99Ms, problems = [] } = result;
      const told = [
        eventsPerSecond === undefined ? '' : `${Math.round(eventsPerSecond)} events/s`,
        ratio === undefined ? '' : `ratio ${ratio.toFixed(2)}`,
        p99Ms === undefined ? '' : `p99 ${p99Ms.toFixed(1)} ms`,
        ...problems,
      ];
      say(`${name}: ${told.filter((each) => each !== '').join(', ')}`);
    },

    async close(): Promise<void> {
      for (const end of endings) await end().catch(() => undefined);
      await servers.stop();
    },
  };
  return bench;
}
