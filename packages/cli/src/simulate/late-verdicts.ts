import { setTimeout as delay } from 'node:timers/promises';
import type { Fate, Target } from '../targets/target.js';
import type { Plan } from './plan.js';

/** What was found out about copies whose verdict had not come in time. */
export interface LateVerdicts {
  readonly inserted: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLettered: number;
}

const settledWithinMs = 60_000;
const pauseMs = 200;
const lookUpsAtATime = 8;

/** Looks an event up until its fate is known, or for a minute without any being known. */
export async function fateOf(event: number, { copyOf }: Plan, target: Target, giveUpAt: number): Promise<Fate> {
  const copy = copyOf(event);
  for (;;) {
    const fate = await target.lookUp(copy).catch((): Fate => 'pending');
    if (fate !== 'pending' || Date.now() > giveUpAt) return fate;
    await delay(pauseMs);
  }
}

export const giveUpTime = () => Date.now() + settledWithinMs;

export interface LateCopies {
  /** A copy of it came in time to be called the stored one. */
  noteStored(event: number): void;
  /** Taken, with a verdict that did not come in time. */
  note(event: number, isConflict: boolean): void;
  lookUpAll(plan: Plan, target: Target): Promise<LateVerdicts>;
}

/**
 * Under more load than a server can store in time some answers say only that a copy was taken. Once it is stored, the
 * verdicts can be told: of an event whose stored copy is another of this run, every late copy is a repeat; of any other
 * event one of the late copies is the stored one. What is kept is a few bytes for each event.
 */
export function collectLate(events: number): LateCopies {
  const stored = new Uint8Array(events);
  let late: Uint16Array | undefined;
  let lateConflicts: Uint16Array | undefined;

  return {
    noteStored(event) {
      stored[event] = 1;
    },
    note(event, isConflict) {
      late ??= new Uint16Array(events);
      late[event] = (late[event] as number) + 1;
      if (!isConflict) return;
      lateConflicts ??= new Uint16Array(events);
      lateConflicts[event] = (lateConflicts[event] as number) + 1;
    },
    async lookUpAll(plan, target) {
      const found = { inserted: 0, duplicates: 0, conflicts: 0, deadLettered: 0 };
      const copiesOf = late;
      if (copiesOf === undefined) return found;
      const giveUpAt = giveUpTime();
      let next = 0;
      const lookUpNext = async () => {
        for (let event = next++; event < events && Date.now() <= giveUpAt; event = next++) {
          const copies = copiesOf[event] as number;
          if (copies === 0) continue;
          const known = stored[event] === 1;
          const fate = known ? 'stored' : await fateOf(event, plan, target, giveUpAt);
          if (fate === 'dead_lettered') found.deadLettered += copies;
          if (fate !== 'stored') continue;
          found.inserted += known ? 0 : 1;
          found.duplicates += known ? copies : copies - 1;
          found.conflicts += lateConflicts?.[event] ?? 0;
        }
      };
      await Promise.all(Array.from({ length: lookUpsAtATime }, lookUpNext));
      return found;
    },
  };
}
