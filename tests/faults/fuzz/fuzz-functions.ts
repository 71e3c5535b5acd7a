import fc from 'fast-check';
import type { Finding } from '../checks/finding.js';
import type { Random } from '../random.js';
import type { Accepted } from './accepted.js';
import { type Kind, kinds, type Tally } from './properties.js';
import { openStoring, type Storing } from './storing.js';

export interface FunctionFuzz {
  readonly inputs: number;
  /** What may be stored into: a database of its own is made there. */
  readonly superuserUrl: string;
  readonly stop: AbortSignal;
  readonly say: (line: string) => void;
}

export interface FunctionReport {
  readonly kinds: Readonly<Record<string, Readonly<Tally>>>;
  readonly stored: number;
  readonly findings: readonly Finding[];
}

const chunk = 1_000;
const maxBatchBytes = 8 * 1024 ** 2;

/** The doors as functions, at a high rate; and whatever they take, stored and read again on a real Postgres. */
export async function fuzzFunctions(random: Random, options: FunctionFuzz): Promise<FunctionReport> {
  const storing = await openStoring(options.superuserUrl);
  try {
    const findings: Finding[] = [];
    const tallies: Record<string, Tally> = {};
    for (const kind of kinds) {
      const tally = { taken: 0, refused: 0 };
      tallies[kind.name] = tally;
      findings.push(...(await fuzzKind(kind, tally, storing, random.fork(kind.name), options)));
      options.say(`     ${kind.name}: ${tally.taken} taken, ${tally.refused} refused`);
    }
    findings.push(...storing.findings.map((what) => ({ check: 'stored', what })));
    return { kinds: tallies, stored: storing.stored, findings };
  } finally {
    await storing.close();
  }
}

async function fuzzKind(kind: Kind, tally: Tally, storing: Storing, random: Random, { inputs, stop }: FunctionFuzz) {
  let waiting: Accepted[] = [];
  let names = 0;
  const property = kind.property(
    tally,
    (accepted) => void waiting.push(...accepted),
    () => `${kind.name} ${names++}`,
  );
  for (let left = Math.ceil(inputs * kind.share); left > 0 && !stop.aborted; left -= chunk) {
    const seed = random.whole(0, 2 ** 31 - 1);
    const run = fc.check(property, { seed, numRuns: Math.min(chunk, left) });
    if (run.failed) {
      const why = run.errorInstance instanceof Error ? run.errorInstance.message : String(run.errorInstance);
      const what = `seed ${seed}, path ${run.counterexamplePath}, after ${run.numShrinks} shrinks: ${why.slice(0, 2_000)}`;
      return [{ check: kind.name, what }];
    }
    for (const batch of batchesOf(waiting)) await storing.store(batch);
    waiting = [];
  }
  return [];
}

function batchesOf(accepted: readonly Accepted[]): Accepted[][] {
  const batches: Accepted[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const each of accepted) {
    if (bytes > maxBatchBytes || (batches.at(-1)?.length ?? 0) >= chunk) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(each);
    bytes += each.event.payload.length;
  }
  return batches;
}
