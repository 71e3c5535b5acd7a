import { rmSync } from 'node:fs';
import type { Random } from '../random.js';
import type { RoundReport } from '../rounds/round.js';
import { type RoundContext, runRound } from '../rounds/run-round.js';
import { breakBuild } from './break-build.js';
import type { Control } from './control.js';

// What is broken may never drain: there is no use in waiting for it.
const boundMs = 12_000;

/** Runs the suite against the broken system. A world that cannot even be checked has been found out as well. */
export async function runControl(control: Control, random: Random, context: RoundContext): Promise<RoundReport> {
  const build = breakBuild(context.build, control);
  try {
    return await runRound(control.round, random, { ...context, build, sql: control.sql, boundMs });
  } finally {
    rmSync(build, { recursive: true, force: true });
  }
}
