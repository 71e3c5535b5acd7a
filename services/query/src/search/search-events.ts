import type { EventFilter } from '../filter/event-filter.js';
import type { Statements } from '../sql/database.js';
import type { EventRow } from '../sql/event-row.js';
import { bindings } from './bindings.js';
import { findKeys } from './find-keys.js';
import { asksForManyDays } from './many-days.js';
import { openPage } from './open-page.js';
import { type Scanned, scanEvents } from './scan-events.js';
import { type SearchClock, startSearchClock } from './search-clock.js';
import type { Slots } from './slots.js';
import { type Stretch, stretchesOf } from './stretches.js';
import { unmetUpTo } from './unmet-pairs.js';
import { walkIndex } from './walk-index.js';
import { paceOf, type Way, waysOf } from './ways.js';

export interface SearchBounds {
  /** Goes on beyond this position: above it, or below it when descending. */
  readonly after?: bigint | undefined;
  /** Nothing above this position. */
  readonly upTo?: bigint | undefined;
  readonly descending: boolean;
  readonly limit: number;
  /** Of payloads as text. The first event is given however large it is. */
  readonly maxBytes: number;
  /** By performance.now(): then the search stops where it is. It always looks at something before that. */
  readonly untilMs: number;
}

export interface FoundEvents {
  /** In the order asked for. */
  readonly rows: readonly EventRow[];
  /** Everything between `after` and this position, itself included, was looked at: whoever goes on does so beyond it. */
  readonly searchedTo: bigint;
  /** Beyond it there is nothing at the moment. */
  readonly end: boolean;
  /** The time was up before the page was full or the end was reached. */
  readonly stopped: boolean;
}

/** One page of the events that a filter matches. What was committed before it began is in it. */
export type SearchEvents = (filter: EventFilter, bounds: SearchBounds) => Promise<FoundEvents>;

export interface SearchDeps {
  readonly database: Statements;
  /** For searches that take longer than a moment. */
  readonly slots: Slots;
}

const highest = 2n ** 63n - 1n;

export function searchesEvents({ database, slots }: SearchDeps): SearchEvents {
  const haveManyDays = asksForManyDays(database);
  return async (filter, bounds) => {
    const clock = startSearchClock(slots, bounds.untilMs);
    try {
      return await search(database, filter, bounds, clock, await haveManyDays());
    } finally {
      clock.close();
    }
  };
}

async function search(
  database: Statements,
  filter: EventFilter,
  bounds: SearchBounds,
  clock: SearchClock,
  manyDays: boolean,
): Promise<FoundEvents> {
  const { descending, upTo } = bounds;
  const { low: first, high } = rangeOf(bounds);
  const page = openPage(bounds.limit, bounds.maxBytes);
  const { rows } = page;
  let searchedTo = descending ? high + 1n : first - 1n;

  const ways = first > high ? [] : await waysOf(database, filter);
  const low = greatest(first, (await emptyUpTo(ways)) + 1n);
  const pace = paceOf(ways);
  for await (const stretch of stretchesFor(ways)) {
    let rest: Stretch | undefined = stretch;
    while (rest !== undefined) {
      const budgetMs: number | undefined = page.isFull() ? clock.nextOfMomentMs() : await clock.nextMs();
      if (budgetMs === undefined) return { rows, searchedTo, end: false, stopped: !page.isFull() };
      const begunAtMs = performance.now();
      const way = pace.next();
      const found = await look(way, rest, budgetMs);
      if (!page.take(found.rows) || found.full) {
        return { rows, searchedTo: BigInt(rows.at(-1)?.position ?? 0), end: false, stopped: false };
      }
      const reached: bigint = found.searchedTo ?? (descending ? rest.low : rest.high);
      pace.went(way, descending ? rest.high - reached : reached - rest.low, performance.now() - begunAtMs);
      searchedTo = reached;
      rest = beyond(rest, reached, descending);
    }
  }
  const last = BigInt(rows.at(-1)?.position ?? 0);
  return { rows, searchedTo: descending ? 0n : greatest(first - 1n, upTo ?? last, 0n), end: true, stopped: false };

  async function emptyUpTo(ways: readonly Way[]): Promise<bigint> {
    const byTopic = ways.find((way) => way.kind === 'topics');
    return byTopic === undefined || filter.source === undefined
      ? -1n
      : await unmetUpTo(database, byTopic.topics, filter.source);
  }

  function stretchesFor([way]: readonly Way[]): Iterable<Stretch> | AsyncIterable<Stretch> {
    if (way === undefined || low > high) return [];
    const whole = { low, high, receivedFromUs: undefined, receivedToUs: undefined };
    return way.kind === 'id' ? [whole] : stretchesOf(database, filter, low, high, descending, manyDays);
  }

  function look(way: Way, stretch: Stretch, budgetMs: number): Promise<Scanned> {
    const wanted = { ...page.wanted(), descending };
    const statement = bindings();
    const asked =
      way.kind === 'id'
        ? findKeys(filter, way, stretch, statement.bind)
        : walkIndex(filter, { ...wanted, index: way, stretch, budgetMs }, statement.bind);
    return scanEvents(database, asked, statement, wanted);
  }
}

function rangeOf({ after, upTo = highest, descending }: SearchBounds) {
  if (after === undefined) return { low: 0n, high: upTo };
  if (!descending) return { low: after + 1n, high: upTo };
  return { low: 0n, high: after <= upTo ? after - 1n : upTo };
}

function beyond(stretch: Stretch, reached: bigint, descending: boolean): Stretch | undefined {
  const rest = descending ? { ...stretch, high: reached - 1n } : { ...stretch, low: reached + 1n };
  return rest.low <= rest.high ? rest : undefined;
}

const greatest = (...positions: readonly bigint[]) => positions.reduce((one, other) => (other > one ? other : one));
