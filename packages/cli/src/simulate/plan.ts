import { createHash } from 'node:crypto';
import type { Copy } from '../targets/target.js';
import type { SimulateOptions } from './options.js';

export type PlanOptions = Pick<
  SimulateOptions,
  'count' | 'repeats' | 'conflicts' | 'topics' | 'batchSize' | 'storm' | 'run'
>;

export interface Plan {
  /** An event as it is first sent. */
  copyOf(event: number): Copy;
  /** What is sent, request by request. Of a run of millions nothing is kept. */
  requests(): Generator<readonly Copy[]>;
}

/** Requests between two bursts. */
const burstRequests = 10;

export function planRun(options: PlanOptions): Plan {
  const { count, repeats, conflicts, topics, batchSize, run } = options;
  const seed = createHash('sha256').update(run).digest().readUInt32LE(0);
  const fresh = count - repeats;

  function copyOf(event: number): Copy {
    const drawn = scramble(seed, event);
    return {
      event,
      topic: topics[drawn % topics.length] as string,
      eventId: `${run}-${event}`,
      payloadJson: `{"n":${event},"user":"user-${drawn % 1000}","amount":${(drawn % 100_000) / 100}}`,
      isConflict: false,
    };
  }

  /** Conflicts are spread evenly among the repeats. */
  function repeatOf(event: number, repeat: number): Copy {
    const copy = copyOf(event);
    const before = Math.floor((repeat * conflicts) / repeats);
    if (Math.floor(((repeat + 1) * conflicts) / repeats) === before) return copy;
    return { ...copy, payloadJson: `{"n":${event},"conflict":${before}}`, isConflict: true };
  }

  /** Fresh events are spread evenly, the first is one, and every other copy repeats one that was sent before. */
  function* mixed(): Generator<readonly Copy[]> {
    let copies: Copy[] = [];
    let sent = 0;
    for (let index = 0; index < count; index++) {
      const isFresh = Math.ceil(((index + 1) * fresh) / count) > sent;
      // Another stream of numbers than the one that draws topics.
      copies.push(isFresh ? copyOf(sent++) : repeatOf(scramble(~seed, index) % sent, index - sent));
      if (copies.length < batchSize && index + 1 < count) continue;
      yield copies;
      copies = [];
    }
  }

  /** After every few requests a burst: these again, as they were, in an order drawn anew, some more than once. */
  function* stormy(): Generator<readonly Copy[]> {
    const bursts = Math.ceil(fresh / (burstRequests * batchSize));
    let repeat = 0;
    for (let burst = 0; burst < bursts; burst++) {
      const first = Math.floor((fresh * burst) / bursts);
      const end = Math.floor((fresh * (burst + 1)) / bursts);
      const starts: number[] = [];
      for (let event = first; event < end; event += batchSize) starts.push(event);
      for (const start of starts) yield eventsFrom(start, end).map(copyOf);
      const last = Math.floor((repeats * (burst + 1)) / bursts);
      for (let drawn = starts.length; repeat < last; drawn++) {
        if (drawn === starts.length) {
          shuffle(starts, repeat);
          drawn = 0;
        }
        const events = eventsFrom(starts[drawn] as number, end).slice(0, last - repeat);
        yield events.map((event) => repeatOf(event, repeat++));
      }
    }
  }

  function eventsFrom(start: number, end: number): number[] {
    return Array.from({ length: Math.min(batchSize, end - start) }, (_, index) => start + index);
  }

  function shuffle(starts: number[], salt: number): void {
    for (let last = starts.length - 1; last > 0; last--) {
      const other = scramble(~seed ^ salt, last) % (last + 1);
      const moved = starts[last] as number;
      starts[last] = starts[other] as number;
      starts[other] = moved;
    }
  }

  return { copyOf, requests: options.storm ? stormy : mixed };
}

/** 32 bits that look random, for each pair another. */
function scramble(seed: number, n: number): number {
  let h = (seed ^ Math.imul(n + 1, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
