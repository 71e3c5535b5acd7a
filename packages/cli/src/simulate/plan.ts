import { createHash } from 'node:crypto';
import type { Copy } from '../targets/target.js';
import type { SimulateOptions } from './options.js';

export type Plan = (index: number) => Copy;

/**
 * What is sent at each place of a run, computed from the place alone: a run of millions keeps nothing. Fresh events are
 * spread evenly, the first place is one, and every other place repeats one from a place before.
 */
export function planRun({
  count,
  repeats,
  topics,
  run,
}: Pick<SimulateOptions, 'count' | 'repeats' | 'topics' | 'run'>): Plan {
  const seed = createHash('sha256').update(run).digest().readUInt32LE(0);
  const fresh = count - repeats;
  const freshBefore = (index: number) => Math.ceil((index * fresh) / count);

  function copyOf(event: number): Copy {
    const drawn = scramble(seed, event);
    return {
      event,
      topic: topics[drawn % topics.length] as string,
      eventId: `${run}-${event}`,
      payloadJson: `{"n":${event},"user":"user-${drawn % 1000}","amount":${(drawn % 100_000) / 100}}`,
    };
  }

  return (index) => {
    const before = freshBefore(index);
    const isFresh = freshBefore(index + 1) > before;
    // Another stream of numbers than the one that draws topics.
    return copyOf(isFresh ? before : scramble(~seed, index) % before);
  };
}

/** 32 bits that look random, for each pair another. */
function scramble(seed: number, n: number): number {
  let h = (seed ^ Math.imul(n + 1, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
