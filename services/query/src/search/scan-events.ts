import type { Statements } from '../sql/database.js';
import { type EventRow, eventColumns } from '../sql/event-row.js';
import type { bindings } from './bindings.js';

export interface Page {
  readonly descending: boolean;
  readonly rows: number;
  /** Of payloads as text; the first event is given however large it is. */
  readonly maxBytes: number;
}

export interface Scanned {
  readonly rows: readonly EventRow[];
  /** How far it has come; undefined when there is nothing beyond. */
  readonly searchedTo: bigint | undefined;
  /** It ended because of the bytes. */
  readonly full: boolean;
}

interface AnyRow {
  readonly reach: string | null;
  readonly position: string | null;
}
type FoundRow = EventRow & { readonly reach: string | null; readonly found: string };

// A value takes more bytes in storage than as text when it is many small numbers. What is beyond this many times the bytes
// that are wanted does not fit, and is not made text to find that out.
const mostStoredOfText = 5;

/**
 * Asks for events: `found` selects rows of events with `matches`, and `reach` how far all of them are among these, null
 * for to the end.
 */
export async function scanEvents(
  database: Statements,
  { found, reach }: { readonly found: string; readonly reach: string },
  { bind, values }: ReturnType<typeof bindings>,
  { descending, rows: limit, maxBytes }: Page,
): Promise<Scanned> {
  const direction = descending ? 'desc' : 'asc';
  const window = `window before_it as (order by position ${direction} rows between unbounded preceding and 1 preceding)`;
  const result = await database.query<AnyRow | FoundRow>(
    `with found as materialized (${found}), reach as (${reach}), nearest as (
       select *, count(*) over () as found, sum(pg_column_size(payload)) over before_it as stored_before
       from (
         select found.* from found, reach
         where matches and (reach is null or position ${descending ? '>=' : '<='} reach)
         order by position ${direction} limit ${limit}
       ) n
       ${window}
     ), sized as (
       select *, sum(octet_length(payload)) over before_it as bytes_before
       from (
         select ${eventColumns}, found from nearest
         where coalesce(stored_before, 0) < ${bind(maxBytes * mostStoredOfText)}::bigint
       ) shown
       ${window}
     )
     select * from reach left join sized on coalesce(bytes_before, 0) < ${bind(maxBytes)}
     order by position ${direction}`,
    values,
  );
  const rows = result.filter((row): row is FoundRow => row.position !== null);
  const last = rows.at(-1);
  const full = last !== undefined && rows.length < Number(last.found);
  if (last !== undefined && (full || rows.length === limit)) return { rows, searchedTo: BigInt(last.position), full };
  const reached = result[0]?.reach ?? null;
  return { rows, searchedTo: reached === null ? undefined : BigInt(reached), full };
}
