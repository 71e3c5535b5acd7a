import type { EventFilter } from '../filter/event-filter.js';
import type { Bind } from './bindings.js';
import { conditionOf, within } from './filter-condition.js';
import type { Page, Scan } from './scan-events.js';
import type { Stretch } from './stretches.js';

/** Along which index events are looked at. */
export type Index =
  | { readonly kind: 'positions' }
  | { readonly kind: 'source'; readonly source: string }
  | { readonly kind: 'topics'; readonly topics: readonly string[] };

// Said outright, for plans that are made before it is known how many are wanted: a few, by an index.
export const mostRows = 1024;

/** With at most `mostRows`. */
export interface Walk extends Page {
  readonly index: Index;
  readonly stretch: Stretch;
  readonly budgetMs: number;
}

/** Events along an index, until there are enough or the time is up. */
export function walkIndex(filter: EventFilter, walk: Walk, bind: Bind): Scan {
  const { index, rows, budgetMs } = walk;
  const matches = isAllOf(index, filter) ? undefined : conditionOf(filter, bind);
  if (index.kind === 'positions') return { found: oneLane() };
  if (index.kind === 'source') return { found: oneLane({ column: 'source', key: bind(index.source) }) };
  const [only, ...others] = index.topics;
  if (others.length === 0) return { found: oneLane({ column: 'topic', key: bind(only) }) };
  return sideBySide(walk, index.topics, matches, bind);

  function oneLane(along?: Along): string {
    const looking = matches === undefined ? undefined : { matches, until: timeUntil(budgetMs, bind) };
    return lane(walk, along, { looking, rows: bind(rows) }, bind);
  }
}

/** Whether every event of the index is one that is asked for. */
function isAllOf({ kind }: Index, { topics, source, eventId, payload, ...times }: EventFilter): boolean {
  return (
    eventId === undefined &&
    payload === undefined &&
    Object.values(times).every((us) => us === undefined) &&
    (topics === undefined || kind === 'topics') &&
    (source === undefined || kind === 'source')
  );
}

// What lanes side by side may give together, and each of them at least.
const rowsOfLanes = 4096;
const leastOfLane = 16;

/** In a lane for each topic, and how far that reaches. */
function sideBySide(walk: Walk, topics: readonly string[], matches: string | undefined, bind: Bind): Scan {
  const ofLane = bind(Math.min(walk.rows, Math.max(leastOfLane, Math.floor(rowsOfLanes / topics.length))));
  // It names the lane so that each has a time of its own.
  const until = () => `${timeUntil(walk.budgetMs / topics.length, bind)} where k.lane > 0`;
  const looking = matches === undefined ? undefined : { matches, until: until() };
  const found = `
    select k.lane, w.*
    from unnest(${bind(topics)}::text[]) with ordinality k (key, lane) cross join lateral (
      ${lane(walk, { column: 'topic', key: 'k.key' }, { looking, rows: ofLane }, bind)}
    ) w`;
  // A lane that gave all that it may has more beyond its last event, and one that was stopped from there on.
  const [farthest, nearest, back] = walk.descending ? ['min', 'max', '+'] : ['max', 'min', '-'];
  const reach = `
    select ${nearest}(reach) as reach from (
      select case when bool_or(matches is null) then ${nearest}(position) filter (where matches is null) ${back} 1
                  when count(*) = ${ofLane} then ${farthest}(position) end as reach
      from found group by lane
    ) lanes`;
  return { found, reach };
}

const timeUntil = (budgetMs: number, bind: Bind) =>
  `select clock_timestamp() + make_interval(secs => ${bind(budgetMs / 1000)})`;

interface Along {
  readonly column: string;
  readonly key: string;
}

interface LaneBounds {
  /** Undefined when all of them match: then they are as many as there are rows, and need no time. */
  readonly looking: { readonly matches: string; readonly until: string } | undefined;
  readonly rows: string;
}

/**
 * The time is asked at each event, and begins with the first one, so that one is always looked at. When it is up any event
 * is taken, with null for a match, until the limit ends the lane. The condition stands where Postgres has no estimate of
 * how many events match: by that it would at times choose a plan that looks at all of them first.
 */
function lane(
  { stretch, descending }: Walk,
  along: Along | undefined,
  { looking, rows }: LaneBounds,
  bind: Bind,
): string {
  const place = (position: bigint) => `(${along === undefined ? '' : `${along.key}, `}${bind(position)})`;
  const names = along === undefined ? ['position'] : [along.column, 'position'];
  // Not by equality: then Postgres could take another index, and walk past everything of other topics or sources.
  const where = [
    `(${names.join(', ')}) >= ${place(stretch.low)}`,
    `(${names.join(', ')}) <= ${place(stretch.high)}`,
    ...within('received_at', stretch.receivedFromUs, stretch.receivedToUs, bind),
    ...within('"timestamp"', stretch.happenedFromUs, stretch.happenedToUs, bind),
  ];
  const order = names.map((name) => `${name} ${descending ? 'desc' : 'asc'}`).join(', ');
  const events = `select * from events where ${where.join(' and ')} order by ${order}`;
  if (looking === undefined) return `select *, true as matches from (${events} limit ${mostRows}) e limit ${rows}`;
  return `
    select * from (
      select * from (
        select e.*, case when clock_timestamp() <= (${looking.until}) then ${looking.matches} end as matches from (${events}) e
      ) looked_at
      where matches is not false limit ${mostRows}
    ) m
    limit ${rows}`;
}
