import type { Statements } from '../sql/database.js';
import { type EventRow, eventColumns } from '../sql/event-row.js';

/** Everything at or below it is committed and never changes. */
export async function readWatermark(database: Statements): Promise<bigint> {
  const [row] = await database.query<{ position: string }>('select position from watermark');
  if (row === undefined) throw new Error('the watermark has no row');
  return BigInt(row.position);
}

/** No cursor of this database is above it. The watermark's row may lag behind what was just stored. */
export async function readHighest(database: Statements): Promise<bigint> {
  const [row] = await database.query<{ highest: string }>(
    'select greatest(position, known, (select max(position) from events)) as highest from watermark',
  );
  if (row === undefined) throw new Error('the watermark has no row');
  return BigInt(row.highest);
}

export type NewRow = EventRow & {
  /** Which of the payloads, counted from 1, it contains. */
  readonly contains: readonly number[] | null;
};

export interface NewRows {
  readonly rows: readonly NewRow[];
  /** There are more up to the watermark. */
  readonly cut: boolean;
}

/** What was stored after `after`, up to and including `upTo`, and which of the payloads each contains. */
export async function readNewRows(
  database: Statements,
  {
    after,
    upTo,
    payloads,
    limit,
    maxBytes,
  }: {
    readonly after: bigint;
    readonly upTo: bigint;
    readonly payloads: readonly string[];
    readonly limit: number;
    readonly maxBytes: number;
  },
): Promise<NewRows> {
  const values = [after, upTo, limit, maxBytes].map(String);
  const rows =
    payloads.length === 0
      ? await database.query<NewRow & Found>(newRows('null::int[]'), values)
      : await database.query<NewRow & Found>(newRows(containedPayloads), [...values, payloads]);
  return { rows, cut: rows.length > 0 && (Number(rows[0]?.found) > rows.length || rows.length >= limit) };
}

type Found = { readonly found: string };

const containedPayloads = `
  array(select p.place::int from unnest($5::text[]::jsonb[]) with ordinality p(wanted, place)
        where page.whole_payload @> p.wanted)`;

/** A page ends early rather than grow beyond its bytes, but has one event at least. */
const newRows = (contains: string) => `
  with page as (
    select ${eventColumns}, payload as whole_payload from events
    where position > $1::bigint and position <= $2::bigint order by events.position limit $3::int
  ), sized as (
    select *, ${contains} as contains, count(*) over () as found, sum(octet_length(payload)) over (
      order by position rows between unbounded preceding and 1 preceding
    ) as bytes_before
    from page
  )
  select position, topic, event_id, source, payload, timestamp_us, received_at_us, contains, found from sized
  where coalesce(bytes_before, 0) < $4::bigint order by position`;
