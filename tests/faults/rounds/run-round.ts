import { join } from 'node:path';
import type { Track } from '@eventsieve/embedded/child';
import { checkAnswers } from '../checks/answers.js';
import { checkAudit } from '../checks/audit.js';
import { awaitDrained } from '../checks/drain.js';
import { type Finding, findingOf } from '../checks/finding.js';
import { checkPagedRead } from '../checks/paged-read.js';
import { readRows } from '../checks/rows.js';
import { watchCounts } from '../checks/watch-counts.js';
import { watchLookups } from '../checks/watch-lookups.js';
import { watchMemory } from '../checks/watch-memory.js';
import { watchRows } from '../checks/watch-rows.js';
import { watchTails } from '../checks/watch-tails.js';
import type { FaultContext } from '../faults/fault.js';
import { type FaultLog, runFaults } from '../faults/run-faults.js';
import { grpcDoor, httpDoor } from '../load/doors.js';
import { type LoadPlan, startLoad } from '../load/publishers.js';
import type { Random } from '../random.js';
import { buildWorld, type World } from '../world/world.js';
import { healAll } from './heal.js';
import type { Round, RoundReport } from './round.js';

export interface RoundContext {
  readonly build: string;
  readonly natsBinary: string;
  readonly track: Track;
  readonly stop: AbortSignal;
  readonly seconds: number;
  readonly sql?: readonly string[];
  /** Where the logs of a round go in which something was found. */
  readonly keep?: string | undefined;
  /** How long after healing all must be answered, and stored. */
  readonly boundMs?: number;
}

const usualLoad: LoadPlan = {
  publishers: 6,
  repeats: 0.25,
  conflicts: 0.02,
  maxBatch: 60,
  stored: 0.4,
  pauseMs: 30,
};
const usualBoundMs = 45_000;
const stepMs = 250;

/** Builds a world, loads it, breaks it, mends it, and looks at what is left. */
export async function runRound(round: Round, random: Random, context: RoundContext): Promise<RoundReport> {
  const { build, natsBinary, track, stop, sql = [], keep } = context;
  const world = await buildWorld({ gateways: 1, workers: 2, ...round.world, build, natsBinary, track, stop, sql });
  try {
    const report = await runIn(world, round, random, context);
    if (keep !== undefined && report.findings.length > 0) world.keepLogs(join(keep, round.name));
    return report;
  } finally {
    await world.stop();
  }
}

async function runIn(
  world: World,
  round: Round,
  random: Random,
  { seconds, stop, boundMs = usualBoundMs }: RoundContext,
): Promise<RoundReport> {
  const begunAtMs = Date.now();
  const endAtMs = begunAtMs + seconds * 1000;
  const findings: Finding[] = [];
  const log: FaultLog = { byKind: new Map(), broken: [] };
  let poisoned = 0;

  const load = startLoad({ ...usualLoad, ...round.load }, random.fork('load'), () => [
    ...world.gateways.map(grpcDoor),
    httpDoor(world.http),
  ]);
  const counts = watchCounts(world, { receivedMayFall: round.receivedMayFall ?? false });
  const lookups = watchLookups(world, load.ledger, random.fork('look-ups'));
  const rows = watchRows(world);
  const memory = watchMemory(world);
  const tails = watchTails(world, random.fork('tails'));

  const ending = () => stop.aborted || Date.now() >= endAtMs;
  // In small steps, so that a round that is told to stop does.
  const sleep = async (ms: number) => {
    const untilMs = Math.min(Date.now() + ms, endAtMs);
    for (let left = ms; left > 0 && !stop.aborted; left = untilMs - Date.now()) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(left, stepMs)));
    }
  };
  const contextOf = (own: Random): FaultContext => ({
    world,
    random: own,
    sleep,
    ending,
    poisoned: (count) => {
      poisoned += count;
    },
    async whileQuiet(work) {
      await load.hold();
      try {
        const { findings: notDrained } = await awaitDrained(world, boundMs);
        if (notDrained.length > 0) throw new Error(notDrained[0]?.what);
        await work();
      } finally {
        load.goOn();
      }
    },
    find: (what) => findings.push({ check: 'fault', what }),
  });
  await runFaults(round.faults, random.fork('faults'), contextOf, log);
  await sleep(endAtMs - Date.now());
  stop.throwIfAborted();

  await healAll(world);
  const healedAtMs = Date.now();
  const tooLate = setTimeout(() => {
    findings.push({ check: 'I5', what: `${load.unanswered()} calls had no answer ${boundMs} ms after healing` });
    load.abandon();
  }, boundMs);
  await load.finish();
  clearTimeout(tooLate);
  const drained = await awaitDrained(world, boundMs);
  const drainMs = Date.now() - healedAtMs;
  findings.push(...drained.findings, ...(await counts.stop()), ...(await rows.stop()), ...(await memory.stop()));
  await lookups.stop();
  findings.push(...(await tails.stop(boundMs)));

  const found = await readRows(world.direct.pool);
  const { attempted, answered, ids } = load.ledger.totals();
  const bounds = { answered, attempted: attempted + poisoned, deadLetters: poisoned };
  findings.push(...checkAnswers(load.ledger, found), ...lookups.check(found));
  findings.push(...(await checkAudit(world, bounds)).findings, ...(await checkPagedRead(world)));
  findings.push(
    ...findingOf('answers', 'not as the contract says', load.wrong),
    ...findingOf('crash', 'a process ended by itself', world.crashes),
  );
  return {
    name: round.name,
    seconds: Math.round((Date.now() - begunAtMs) / 100) / 10,
    attempted,
    answered,
    ids,
    retries: load.retries(),
    outcomes: Object.fromEntries(load.ledger.outcomes),
    faults: Object.fromEntries(log.byKind),
    lookups: lookups.asked(),
    countReadings: counts.readings(),
    followed: tails.followed(),
    drainMs,
    peakMib: Object.fromEntries(memory.peakMib),
    notes: [...log.broken, ...[...load.errors].sort((a, b) => b[1] - a[1]).map(([why, times]) => `${times} × ${why}`)],
    findings,
  };
}
