import type { Bench } from '../bench-context.js';
import { startOwnInstance } from '../own-instance.js';

/** From the command to "eventsieve is ready", on an empty data folder, with everything built. */
export async function runStartUpCase(bench: Bench): Promise<void> {
  const { root, environment, track, stopping } = bench.settings;
  const begunAtMs = performance.now();
  const instance = await startOwnInstance({ root, environment, track, stopping });
  const seconds = (performance.now() - begunAtMs) / 1000;
  await instance.stop();
  bench.add({ name: 'start-up', exact: true, more: { seconds: Number(seconds.toFixed(1)) } });
}
