import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome } from '@eventsieve/client';
import type { Copy, Fate, Target } from '../targets/target.js';

/** What was found out about copies whose verdict had not come in time. */
export interface LateVerdicts {
  readonly inserted: number;
  readonly duplicates: number;
  readonly deadLettered: number;
}

type Sums = { -readonly [key in keyof LateVerdicts]: number } & { undecided: number };

export interface LateCopies {
  note(copy: Copy, outcome: Outcome | undefined): void;
  lookUpAll(target: Target): Promise<LateVerdicts>;
}

const settledWithinMs = 60_000;
const pauseMs = 200;

/**
 * Under more load than a server can store in time some answers say only that a copy was taken. Once it is stored, the
 * verdicts can be told: of an event whose stored copy is another of this run, every late copy is a repeat; of any other
 * event one of the late copies is the stored one.
 */
export function collectLate(events: number): LateCopies {
  const stored = new Uint8Array(events);
  const late = new Map<number, { readonly copy: Copy; copies: number }>();

  async function fateOf(copy: Copy, target: Target, giveUpAt: number): Promise<Fate> {
    for (;;) {
      const fate = await target.lookUp(copy).catch((): Fate => 'pending');
      if (fate !== 'pending' || Date.now() > giveUpAt) return fate;
      await delay(pauseMs);
    }
  }

  return {
    note(copy, outcome) {
      if (outcome === 'stored') stored[copy.event] = 1;
      if (outcome !== 'accepted') return;
      const known = late.get(copy.event);
      if (known) known.copies++;
      else late.set(copy.event, { copy, copies: 1 });
    },
    async lookUpAll(target) {
      const found = { inserted: 0, duplicates: 0, deadLettered: 0 };
      const giveUpAt = Date.now() + settledWithinMs;
      for (const [event, { copy, copies }] of late) {
        if (Date.now() > giveUpAt) break;
        const fate = stored[event] === 1 ? 'stored' : await fateOf(copy, target, giveUpAt);
        if (fate === 'dead_lettered') found.deadLettered += copies;
        if (fate !== 'stored') continue;
        const inserted = stored[event] === 1 ? 0 : 1;
        found.inserted += inserted;
        found.duplicates += copies - inserted;
      }
      return found;
    },
  };
}

/** Moves what was found out from the undecided to its place. */
export function settle(sums: Sums, found: LateVerdicts): void {
  for (const key of ['inserted', 'duplicates', 'deadLettered'] as const) {
    sums[key] += found[key];
    sums.undecided -= found[key];
  }
}
