import type { Bench } from '../bench-context.js';
import { loadAndSettle, newHistory, resultOf, verified } from './measure-load.js';

const searchSeconds = 5;
const warmUpSeconds = 3;

/** How long calls take at half of the rate that the system can keep up with; by the clock, so that a pause counts. */
export async function runLatencyCase(bench: Bench, name: string, stored: boolean): Promise<void> {
  await bench.withSystem(async (system) => {
    const history = newHistory();
    const plan = { door: 'grpc', stored, inFlight: stored ? 32 : 8 } as const;
    await loadAndSettle(bench, system, history, { ...plan, seconds: warmUpSeconds });
    const top = await loadAndSettle(bench, system, history, { ...plan, seconds: searchSeconds });
    const callsPerSecond = top.settledPerSecond / 2 / 100;
    const measured = await loadAndSettle(bench, system, history, { ...plan, callsPerSecond });
    bench.add({
      ...resultOf(name, measured),
      ...(await verified(system, history)),
      more: { topEventsPerSecond: Math.round(top.settledPerSecond) },
    });
  });
}
