import type { Finding } from '../checks/finding.js';
import type { Random } from '../random.js';
import type { World } from '../world/world.js';
import { doorsOf } from './doors.js';
import { type DoorReport, fuzzDoors } from './fuzz-doors.js';
import { type FunctionReport, fuzzFunctions } from './fuzz-functions.js';

export interface FuzzOptions {
  readonly world: World;
  /** For the doors as functions. */
  readonly inputs: number;
  /** For the doors over the wire. */
  readonly seconds: number;
  readonly stop: AbortSignal;
  readonly say: (line: string) => void;
}

export interface FuzzReport {
  readonly functions: FunctionReport;
  readonly doors: DoorReport;
  readonly findings: readonly Finding[];
}

export const usualFuzz = { inputs: 1_000_000, seconds: 180 };
const idlePerPort = 1_000;

/** Everything that can be sent to the doors, first to what they are made of, then over the wire to a world. */
export async function runFuzz(random: Random, { world, inputs, seconds, stop, say }: FuzzOptions): Promise<FuzzReport> {
  const superuserUrl = world.postgres.url;
  const functions = await fuzzFunctions(random.fork('functions'), { inputs, superuserUrl, stop, say });
  const doors = await fuzzDoors(random.fork('doors'), { doors: doorsOf(world), seconds, idlePerPort, stop, say });
  for (const [name, { before, after }] of Object.entries(doors.resources)) {
    say(`     ${name}: ${before.mib} → ${after.mib} MiB, ${before.sockets} → ${after.sockets} sockets`);
  }
  const crashed = world.crashes.map((what) => ({ check: 'crash', what }));
  return { functions, doors, findings: [...functions.findings, ...doors.findings, ...crashed] };
}
