import type { EventFilter } from '../filter/event-filter.js';
import type { Statements } from '../sql/database.js';
import type { EventRow } from '../sql/event-row.js';
import { bindings } from './bindings.js';
import { findKeys } from './find-keys.js';
import { guides } from './guide.js';
import { asksForManyDays } from './many-days.js';
import { openPage } from './open-page.js';
import { type Scanned, scanEvents } from './scan-events.js';
import { type SearchClock, startSearchClock } from './search-clock.js';
import type { Slots } from './slots.js';
import { type Stretch, stretchesOf } from './stretches.js';
import { mostRows, walkIndex } from './walk-index.js';
import type { Way } from './ways.js';

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
  /** Where statements are planned once. With many days that takes longer: each plan is for all of them. */
  readonly planned: Statements;
  /** For searches that take longer than a moment. */
  readonly slots: Slots;
}

const highest = 2n ** 63n - 1n;

export function searchesEvents({ database, planned, slots }: SearchDeps): SearchEvents {
  const haveManyDays = asksForManyDays(database);
  return async (filter, bounds) => {
    const clock = startSearchClock(slots, bounds.untilMs);
    try {
      const manyDays = await haveManyDays();
      return await search({ database, events: manyDays ? database : planned, manyDays }, filter, bounds, clock);
    } finally {
      clock.close();
    }
  };
}

interface Searched {
  readonly database: Statements;
  /** Where events are looked for. */
  readonly events: Statements;
  readonly manyDays: boolean;
}

async function search(
  { database, events, manyDays }: Searched,
  filter: EventFilter,
  bounds: SearchBounds,
  clock: SearchClock,
): Promise<FoundEvents> {
  const { descending, upTo } = bounds;
  const { low, high } = rangeOf(bounds);
  const page = openPage(bounds.limit, bounds.maxBytes);
  const { rows } = page;
  const guide = guides(database, filter);
  let searchedTo = descending ? high + 1n : low - 1n;

  for await (const stretch of stretches()) {
    let rest: Stretch | undefined = stretch;
    while (rest !== undefined) {
      const budgetMs: number | undefined = page.isFull() ? clock.nextOfMomentMs() : await clock.nextMs();
      if (budgetMs === undefined) return { rows, searchedTo, end: false, stopped: !page.isFull() };
      const way: Way | undefined = await guide.next();
      if (way === undefined) return theEnd();
      const begunAtMs = performance.now();
      const looked: Stretch | undefined = above(guide.emptyUpTo(), rest);
      const found = looked === undefined ? nothing : await look(way, looked, budgetMs);
      if (!page.take(found.rows)) {
        return { rows, searchedTo: BigInt(rows.at(-1)?.position ?? 0), end: false, stopped: false };
      }
      const reached: bigint = found.searchedTo ?? (descending ? rest.low : rest.high);
      guide.went(way, descending ? rest.high - reached : reached - rest.low, performance.now() - begunAtMs);
      searchedTo = reached;
      rest = beyond(rest, reached, descending);
    }
  }
  return theEnd();

  function theEnd(): FoundEvents {
    const last = BigInt(rows.at(-1)?.position ?? 0);
    return { rows, searchedTo: descending ? 0n : greatest(low - 1n, upTo ?? last, 0n), end: true, stopped: false };
  }

  function stretches(): Iterable<Stretch> | AsyncIterable<Stretch> {
    if (low > high) return [];
    const whole = { low, high, receivedFromUs: undefined, receivedToUs: undefined };
    return filter.eventId === undefined ? stretchesOf(events, filter, low, high, descending, manyDays) : [whole];
  }

  function look(way: Way, stretch: Stretch, budgetMs: number): Promise<Scanned> {
    const { rows: wantedRows, maxBytes } = page.wanted();
    const wanted = { descending, rows: Math.min(wantedRows, mostRows), maxBytes };
    const statement = bindings();
    const scan =
      way.kind === 'id'
        ? findKeys(filter, way, stretch, wanted, statement.bind)
        : walkIndex(filter, { ...wanted, index: way, stretch, budgetMs }, statement.bind);
    return scanEvents(events, scan, statement, wanted);
  }
}

const nothing: Scanned = { rows: [], searchedTo: undefined };

function above(position: bigint, stretch: Stretch): Stretch | undefined {
  const low = greatest(stretch.low, position + 1n);
  return low > stretch.high ? undefined : { ...stretch, low };
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
