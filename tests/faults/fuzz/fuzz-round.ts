import type { Random } from '../random.js';
import type { RoundContext } from '../rounds/run-round.js';
import { buildWorld } from '../world/world.js';
import { type FuzzReport, runFuzz } from './run-fuzz.js';

// What one of two shared cores gets through, so that a part of the time given is enough for so many.
const inputsPerSecond = 2_500;
// Of the time; the rest goes over the wire.
const functionsShare = 0.7;

/** The fuzzing within a given time: a million inputs take about ten minutes. */
export async function fuzzFor(
  random: Random,
  { build, natsBinary, track, stop, seconds }: RoundContext,
  say: (line: string) => void,
): Promise<FuzzReport> {
  const world = await buildWorld({ build, natsBinary, track, stop, gateways: 1, workers: 2 });
  try {
    const inputs = Math.round(seconds * functionsShare * inputsPerSecond);
    return await runFuzz(random, { world, inputs, seconds: seconds * (1 - functionsShare), stop, say });
  } finally {
    await world.stop();
  }
}
