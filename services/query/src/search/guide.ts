import type { EventFilter } from '../filter/event-filter.js';
import type { Statements } from '../sql/database.js';
import { unmetUpTo } from './unmet-pairs.js';
import { firstWayOf, type Pace, paceOf, type Way, waysOf } from './ways.js';

/** Says which way to go next. Only for what the first turn has not found is anything asked. */
export interface Guide {
  /** Undefined when there is nothing to be found. */
  next(): Promise<Way | undefined>;
  went: Pace['went'];
  /** Up to here there is nothing, as far as is known by now. */
  emptyUpTo(): bigint;
}

export function guides(database: Statements, filter: EventFilter): Guide {
  const first = firstWayOf(filter);
  const speed = { positions: 0n, ms: 0 };
  let firstTaken = false;
  let pace: Pace | undefined;
  let emptyUpTo = -1n;

  async function askForWays(): Promise<Pace> {
    // The first is one of them, and how fast it is is known.
    const ways = (await waysOf(database, filter)).map((way) => (way.kind === first?.kind ? first : way));
    const byTopic = ways.find((way) => way.kind === 'topics');
    if (byTopic !== undefined && filter.source !== undefined) {
      emptyUpTo = await unmetUpTo(database, byTopic.topics, filter.source);
    }
    const known = paceOf(ways);
    if (first !== undefined && firstTaken) known.went(first, speed.positions, speed.ms);
    return known;
  }

  return {
    async next() {
      if (first !== undefined && !firstTaken) {
        firstTaken = true;
        return first;
      }
      pace ??= await askForWays();
      return pace.next();
    },
    went(way, positions, ms) {
      if (pace === undefined) Object.assign(speed, { positions, ms });
      else pace.went(way, positions, ms);
    },
    emptyUpTo: () => emptyUpTo,
  };
}
