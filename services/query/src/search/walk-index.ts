import type { EventFilter } from '../filter/event-filter.js';
import type { Bind } from './bindings.js';
import { conditionOf, within } from './filter-condition.js';
import type { Stretch } from './stretches.js';

/** Along which index events are looked at. */
export type Index =
  | { readonly kind: 'positions' }
  | { readonly kind: 'source'; readonly source: string }
  | { readonly kind: 'topics'; readonly topics: readonly string[] };

export interface Walk {
  readonly index: Index;
  readonly stretch: Stretch;
  readonly descending: boolean;
  /** This many at most. */
  readonly rows: number;
  readonly budgetMs: number;
}

// What lanes side by side may give together, and each of them at least.
const rowsOfLanes = 4096;
const leastOfLane = 16;

/**
 * Events along an index, in a lane for each topic, and how far that reaches. The time is asked at each event: from then
 * on any event is taken, with null for a match, until the limit ends the lane. The condition stands where Postgres has no
 * estimate of how many events match: by that it would at times choose a plan that looks at all of them first.
 */
export function walkIndex(filter: EventFilter, { index, stretch, descending, rows, budgetMs }: Walk, bind: Bind) {
  const lanes = index.kind === 'topics' ? index.topics.length : 1;
  const ofLane = Math.min(rows, Math.max(leastOfLane, Math.floor(rowsOfLanes / lanes)));
  const [direction, farthest, nearest, back] = descending ? ['desc', 'min', 'max', '+'] : ['asc', 'max', 'min', '-'];
  const { keys, columns } = lanesOf(index, bind);
  const place = (position: bigint) => `(${[...columns.map(({ key }) => key), bind(position)].join(', ')})`;
  const names = [...columns.map(({ name }) => name), 'position'];
  // Not by equality: then Postgres could take another index, and walk past everything of other topics or sources.
  const where = [
    `(${names.join(', ')}) >= ${place(stretch.low)}`,
    `(${names.join(', ')}) <= ${place(stretch.high)}`,
    ...within('received_at', stretch.receivedFromUs, stretch.receivedToUs, bind),
  ];
  const order = names.map((name) => `${name} ${direction}`).join(', ');
  // Worked out at the first event of each lane, which is why it names the lane: so that one is always looked at.
  const until = `select clock_timestamp() + make_interval(secs => ${bind(budgetMs / 1000 / lanes)}) where k.lane > 0`;
  const found = `
    select k.lane, w.*
    from ${keys} cross join lateral (
      select * from (
        select e.*, case when clock_timestamp() <= (${until}) then ${conditionOf(filter, bind)} end as matches
        from (select * from events where ${where.join(' and ')} order by ${order}) e
      ) looked_at
      where matches is not false limit ${ofLane}
    ) w`;
  // A lane that gave all that it may has more beyond its last event, and one that was stopped from there on.
  const reach = `
    select ${nearest}(reach) as reach from (
      select case when bool_or(matches is null) then ${nearest}(position) filter (where matches is null) ${back} 1
                  when count(*) = ${ofLane} then ${farthest}(position) end as reach
      from found group by lane
    ) lanes`;
  return { found, reach };
}

interface Column {
  readonly name: string;
  readonly key: string;
}

function lanesOf(index: Index, bind: Bind): { readonly keys: string; readonly columns: readonly Column[] } {
  if (index.kind === 'positions') return { keys: '(values (1)) k (lane)', columns: [] };
  const [name, wanted] = index.kind === 'source' ? ['source', [index.source]] : ['topic', index.topics];
  return { keys: `unnest(${bind(wanted)}::text[]) with ordinality k (key, lane)`, columns: [{ name, key: 'k.key' }] };
}
