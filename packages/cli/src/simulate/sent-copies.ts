import type { Copy } from '../targets/target.js';

export interface SentCounts {
  /** Copies that the server says it took. */
  copies: number;
  conflicts: number;
  /** Copies more that it may have taken: of tries whose answer was lost. */
  doubtful: number;
}

/** What a run sent, to be held against what the server has. A few bytes for each event. */
export interface Sent {
  /** Taken by the server. */
  note(copy: Copy): void;
  /** A try that failed. */
  doubt(copies: readonly Copy[]): void;
  readonly byTopic: ReadonlyMap<string, SentCounts>;
  /** Whether a copy of the event was taken, may have been, or was not. */
  fateOf(event: number): 'taken' | 'doubtful' | 'never';
}

const doubtful = 1;
const taken = 2;

export function sentCopies(events: number): Sent {
  const fates = new Uint8Array(events);
  const byTopic = new Map<string, SentCounts>();
  const countsOf = ({ topic }: Copy) => {
    const counts = byTopic.get(topic) ?? { copies: 0, conflicts: 0, doubtful: 0 };
    byTopic.set(topic, counts);
    return counts;
  };
  return {
    note(copy) {
      const counts = countsOf(copy);
      counts.copies++;
      if (copy.isConflict) counts.conflicts++;
      fates[copy.event] = taken;
    },
    doubt(copies) {
      for (const copy of copies) {
        countsOf(copy).doubtful++;
        if (fates[copy.event] === 0) fates[copy.event] = doubtful;
      }
    },
    byTopic,
    fateOf: (event) => (['never', 'doubtful', 'taken'] as const)[fates[event] as number] ?? 'never',
  };
}
