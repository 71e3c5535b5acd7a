import type { Statements } from '../sql/database.js';
import { type EventRow, eventColumns } from '../sql/event-row.js';
import type { bindings } from './bindings.js';

export interface Page {
  readonly descending: boolean;
  readonly rows: number;
  /** About as many bytes of events are made text. The first event is, however large it is. */
  readonly maxBytes: number;
}

/** A statement for rows of events with `matches`, which is null where the search was stopped. */
export interface Scan {
  readonly found: string;
  /**
   * A statement for how far all that matches is among them, null for to the end. Without it they are the next ones, up to
   * `rows` of them.
   */
  readonly reach?: string;
}

export interface Scanned {
  readonly rows: readonly EventRow[];
  /** How far it has come; undefined when there is nothing beyond. */
  readonly searchedTo: bigint | undefined;
}

interface Row extends Omit<EventRow, 'position'> {
  readonly position: string | null;
  readonly matches: boolean | null;
  readonly found: string | null;
  readonly stopped_at: string | null;
  readonly reach?: string | null;
}

// What is compressed may be so many times as large as text.
const mostCompression = 32;
const weight = `octet_length(topic) + octet_length(event_id) + octet_length(source) + pg_column_size(payload)
  * case when pg_column_compression(payload) is null then 1 else ${mostCompression} end`;

/** Asks for events. What there is no room for is told by its size in storage: it is not made text to find that out. */
export async function scanEvents(
  database: Statements,
  { found, reach }: Scan,
  { bind, values }: ReturnType<typeof bindings>,
  { descending, rows: limit, maxBytes }: Page,
): Promise<Scanned> {
  const direction = descending ? 'desc' : 'asc';
  const [nearest, back] = descending ? ['max', 1n] : ['min', -1n];
  const shown = (rows: string) => `
    select ${eventColumns}, matches, found, stopped_at
    from (
      select *, count(*) filter (where matches) over () as found,
             ${nearest}(position) filter (where matches is null) over () as stopped_at,
             sum(${weight}) over (
               order by position ${direction} rows between unbounded preceding and 1 preceding
             ) as weight_before
      from (${rows}) f
    ) n
    where matches and coalesce(weight_before, 0) < ${bind(maxBytes)} or position = stopped_at`;
  const upToReach = () => `
    select found.* from found, reach where matches and (reach is null or position ${descending ? '>=' : '<='} reach)
    order by position ${direction} limit ${bind(limit)}`;
  const statement =
    reach === undefined
      ? shown(found)
      : `with found as materialized (${found}), reach as (${reach})
         select * from reach left join (${shown(upToReach())}) shown on true`;
  const result = await database.query<Row>(`${statement} order by position ${direction}`, values, { kept: true });

  const rows = result.filter((row): row is Row & EventRow => row.matches === true);
  const last = rows.at(-1)?.position;
  const wasCut = rows.length < Number(result[0]?.found ?? 0);
  if (last !== undefined && (wasCut || rows.length === limit)) return { rows, searchedTo: BigInt(last) };
  const { stopped_at: stoppedAt = null, reach: reached = null } = result[0] ?? {};
  if (stoppedAt !== null) return { rows, searchedTo: BigInt(stoppedAt) + back };
  return { rows, searchedTo: reached === null ? undefined : BigInt(reached) };
}
