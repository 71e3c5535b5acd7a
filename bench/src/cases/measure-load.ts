import type { Bench } from '../bench-context.js';
import { newIdShape } from '../load/events.js';
import type { LoadPlan, LoadResult } from '../load/plan.js';
import type { CaseResult } from '../result.js';
import { problemsOf, untilSettled } from '../world/stored.js';
import type { System, SystemUse } from '../world/system.js';

export type PublishPlan = Partial<LoadPlan> & Pick<LoadPlan, 'door'>;

export interface MeasuredLoad extends LoadResult {
  /** Copies settled in Postgres a second, from the first call to the last commit. */
  readonly settledPerSecond: number;
  readonly use: SystemUse;
}

// Until then Node still compiles, and part of what is measured would be that.
const warmUpSeconds = 6;

export interface History {
  copies: number;
  events: number;
  readonly ids: LoadPlan['ids'];
  nextRound: number;
}

export const newHistory = (): History => ({ copies: 0, events: 0, ids: newIdShape(), nextRound: 0 });

/** Sends, waits until all of it is settled, and keeps account of what the system has to hold by then. */
export async function loadAndSettle(
  bench: Bench,
  system: System,
  history: History,
  plan: PublishPlan,
): Promise<MeasuredLoad> {
  const target = plan.door === 'http' ? system.http : system.gateway;
  system.beginUse();
  const begunAtMs = performance.now();
  const result = await bench.load({ ...plan, target, ids: history.ids, firstRound: history.nextRound });
  if (result.failures > 0) throw new Error(`${result.failures} calls failed: ${result.failure}`);
  history.copies += result.copies;
  history.nextRound = result.nextRound;
  history.events += result.fresh;
  await untilSettled(system, history.copies);
  const settledPerSecond = (result.copies / (performance.now() - begunAtMs)) * 1000;
  return { ...result, settledPerSecond, use: system.use() };
}

/** Warms up, measures, and holds what the system says of itself against what was sent. */
export async function measurePublishing(bench: Bench, name: string, plan: PublishPlan): Promise<CaseResult> {
  return bench.withSystem(async (system) => {
    const history = newHistory();
    await loadAndSettle(bench, system, history, { ...plan, repeats: 0, seconds: warmUpSeconds });
    const measured = await loadAndSettle(bench, system, history, plan);
    return { ...resultOf(name, measured), ...(await verified(system, history)) };
  });
}

export async function verified(system: System, { copies, events }: History) {
  const problems = await problemsOf(system, copies, events);
  return { exact: problems.length === 0, problems };
}

export function resultOf(name: string, { settledPerSecond, latency, use, cpuSeconds }: MeasuredLoad) {
  const cpuOf = { ...use.cpuSeconds, load: cpuSeconds };
  return {
    name,
    eventsPerSecond: settledPerSecond,
    ...latency,
    cpuOf,
    cpuSeconds: Object.values(cpuOf).reduce((sum, each) => sum + each, 0),
    rssOf: use.peakMb,
    rssMb: Math.max(...Object.values(use.peakMb)),
  };
}
