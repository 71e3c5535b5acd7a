import type { EventFilter } from '../filter/event-filter.js';
import type { Statements } from '../sql/database.js';
import { type EventRow, eventColumns } from '../sql/event-row.js';
import { bindings, conditionOf } from './filter-condition.js';

export interface Scan {
  readonly after: bigint | undefined;
  readonly upTo: bigint | undefined;
  readonly descending: boolean;
  readonly rows: number;
  readonly maxBytes: number;
  readonly budgetMs: number;
}

export interface Scanned {
  readonly rows: readonly EventRow[];
  /** How far it has come; undefined when it has come to the end. */
  readonly searchedTo: bigint | undefined;
}

type ScannedRow = Omit<EventRow, 'payload'> & { readonly payload: string | null; readonly found: string };

/**
 * Looks at events in the order of an index until enough are found or the time is up, which it asks at each event: from
 * then on any event is taken, with null for a match, until the limit ends the statement. An estimate of how many events
 * match would let Postgres choose another plan, which sorts first; so the condition stays where it has none.
 */
export async function scanEvents(database: Statements, filter: EventFilter, scan: Scan): Promise<Scanned> {
  const { after, upTo, descending, rows: limit, maxBytes, budgetMs } = scan;
  const { bind, values } = bindings();
  const direction = descending ? 'desc' : 'asc';
  const bounds = [
    ...(after === undefined ? [] : [`position ${descending ? '<' : '>'} ${bind(after)}`]),
    ...(upTo === undefined ? [] : [`position <= ${bind(upTo)}`]),
  ];
  const found = await database.query<ScannedRow>(
    `with found as materialized (
       select * from (
         select *, case when clock_timestamp() <= (select clock_timestamp() + make_interval(secs => ${bind(budgetMs / 1000)}))
                        then ${conditionOf(filter, bind)} end as matches
         from (select * from events ${bounds.length === 0 ? '' : `where ${bounds.join(' and ')}`} order by position ${direction}) e
       ) looked_at
       where matches is not false limit ${bind(limit)}
     ), shown as (
       select ${eventColumns.replace('payload::text', 'case when matches then payload::text end')} from found
     ), sized as (
       select *, count(*) over () as found, sum(octet_length(payload)) over (
         order by position ${direction} rows between unbounded preceding and 1 preceding
       ) as bytes_before
       from shown
     )
     select * from sized where coalesce(bytes_before, 0) < ${bind(maxBytes)} order by position ${direction}`,
    values,
  );
  const rows = found.filter((row): row is ScannedRow & EventRow => row.payload !== null);
  const late = found[rows.length];
  if (late !== undefined) return { rows, searchedTo: BigInt(late.position) - (descending ? -1n : 1n) };
  const last = found.at(-1);
  const cut = last !== undefined && (found.length < Number(last.found) || found.length === limit);
  return { rows, searchedTo: cut ? BigInt(last.position) : undefined };
}
