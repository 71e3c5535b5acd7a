import type { LetterChoice } from './choose-letters.js';

interface Settled {
  /** Before the call. */
  readonly matched: number;
  /** How many of them the call is done with. */
  readonly done: number;
}

const mostInCall = 1_000;

/**
 * As many calls as it takes for those that match at the first, the oldest first. What is dead-lettered again meanwhile is
 * younger, and left for another time; so is the rest when a call is not done with all that it was asked for. Resolves with
 * how many are left.
 */
export async function settleAll<S extends Settled>(
  { limit, dryRun }: LetterChoice,
  settle: (limit: number) => Promise<S>,
  show: (settled: S) => void,
): Promise<number> {
  let wanted: number | undefined;
  for (let done = 0; ; ) {
    const asked = Math.min(mostInCall, (wanted ?? limit) - done);
    const settled = await settle(asked);
    show(settled);
    done += settled.done;
    wanted ??= Math.min(limit, settled.matched);
    const hasStopped = settled.done < Math.min(asked, settled.matched);
    if (dryRun || hasStopped || done >= wanted) return Math.max(0, settled.matched - settled.done);
  }
}
