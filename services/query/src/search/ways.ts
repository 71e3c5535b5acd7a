import type { EventFilter } from '../filter/event-filter.js';
import type { Statements } from '../sql/database.js';
import { knownTopics } from './known-topics.js';
import type { Index } from './walk-index.js';

/** By look-ups of an id, or along an index. */
export type Way = { readonly kind: 'id'; readonly topics: readonly string[]; readonly eventId: string } | Index;

const mostLookUps = 5_000;
const mostLanes = 64;

/** The one that needs no question to be asked before. Most searches are done with it. */
export function firstWayOf({ topics, source, eventId }: EventFilter): Way | undefined {
  if (eventId !== undefined) return undefined;
  if (topics?.kind === 'exact') return { kind: 'topics', topics: [topics.topic] };
  return source === undefined ? { kind: 'positions' } : { kind: 'source', source };
}

/** How a search can go; none when there is nothing to be found. */
export async function waysOf(database: Statements, filter: EventFilter): Promise<readonly Way[]> {
  const { topics, source, eventId } = filter;
  if (eventId !== undefined) {
    const found = await knownTopics(database, topics, mostLookUps + 1);
    if (found.length <= mostLookUps) return [{ kind: 'id', topics: found, eventId }];
  }
  const bySource: Way[] = source === undefined ? [] : [{ kind: 'source', source }];
  const byPosition: Way[] = source === undefined ? [{ kind: 'positions' }] : bySource;
  if (topics === undefined) return byPosition;
  const found = await knownTopics(database, topics, mostLanes + 1);
  const byTopic: Way = { kind: 'topics', topics: found };
  if (found.length === 0) return [];
  if (found.length === 1) return [byTopic, ...bySource];
  // Where many of the topics' events are, the next positions hold a page.
  return found.length <= mostLanes ? [...byPosition, byTopic] : byPosition;
}

export interface Pace {
  /** Undefined when there are none. */
  next(): Way | undefined;
  /** So many positions on by this way, in this time. */
  went(way: Way, positions: bigint, ms: number): void;
}

/** Tries each way, and then goes on by the one that came farthest for its time when it was taken last. */
export function paceOf(ways: readonly Way[]): Pace {
  const speeds = new Map<Way, number>();
  const speedOf = (way: Way) => speeds.get(way) ?? Number.POSITIVE_INFINITY;
  return {
    next: () =>
      ways.reduce<Way | undefined>(
        (best, way) => (best === undefined || speedOf(way) > speedOf(best) ? way : best),
        undefined,
      ),
    went: (way, positions, ms) => void speeds.set(way, Number(positions) / Math.max(ms, 0.1)),
  };
}
