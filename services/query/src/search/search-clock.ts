import type { Slots } from './slots.js';

export interface SearchClock {
  /** How long the next statement may take; undefined when the time is up. The first one may always take a little. */
  nextMs(): Promise<number | undefined>;
  /** The same, while only a moment has passed. */
  nextOfMomentMs(): number | undefined;
  close(): void;
}

// Most searches need no more than a moment; what does waits for a slot.
const momentMs = 25;
const firstTurnsMs = 10;
const turnMs = 100;

export function startSearchClock(slots: Slots, untilMs: number): SearchClock {
  const begunAtMs = performance.now();
  let begun = false;
  let hasSlot = false;
  const leftMs = () => untilMs - performance.now();
  const inMoment = () => performance.now() - begunAtMs < momentMs;

  return {
    async nextMs() {
      if (!begun) {
        begun = true;
        return Math.max(1, Math.min(firstTurnsMs, leftMs()));
      }
      if (leftMs() <= 0) return undefined;
      if (inMoment()) return Math.min(firstTurnsMs, leftMs());
      hasSlot ||= await slots.take(untilMs);
      return hasSlot && leftMs() > 0 ? Math.min(turnMs, leftMs()) : undefined;
    },
    nextOfMomentMs: () => (inMoment() && leftMs() > 0 ? Math.min(firstTurnsMs, leftMs()) : undefined),
    close() {
      if (hasSlot) slots.give();
    },
  };
}
