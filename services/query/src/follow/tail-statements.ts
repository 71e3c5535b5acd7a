import type { Statements } from '../sql/database.js';
import { type EventRow, eventColumns } from '../sql/event-row.js';

export interface Watermark {
  /** Everything at or below it is committed and never changes. */
  readonly position: bigint;
  /** What tells the epoch in force from any other; undefined before the first. */
  readonly epoch: string | undefined;
  /** Positions of this epoch are above it. */
  readonly base: bigint;
}

export async function readWatermark(database: Statements): Promise<Watermark> {
  const [row] = await database.query<{ position: string; epoch: string | null; base: string | null }>(
    `select w.position, e.epoch || ' ' || e.opened_at as epoch, e.base
     from watermark w left join (select * from epochs order by epoch desc limit 1) e on true`,
  );
  if (row === undefined) throw new Error('the watermark has no row');
  return { position: BigInt(row.position), epoch: row.epoch ?? undefined, base: BigInt(row.base ?? 0) };
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
  /** Everything up to here is among the rows, or was before. */
  readonly reached: bigint;
  /** As many as a page may have, or its bytes. */
  readonly full: boolean;
}

interface NewRowsQuestion {
  readonly after: bigint;
  readonly upTo: bigint;
  /** When about they were received. However wrong, nothing is missed: it only takes longer. */
  readonly aboutUs: bigint;
  readonly payloads: readonly string[];
  readonly limit: number;
  readonly maxBytes: number;
}

// More are not counted at once.
const mostPositions = 20_000n;
const allDays = { from: '-infinity', to: 'infinity' };

/**
 * What was stored after `after`, up to and including `upTo`, and which of the payloads each contains. With a partition for
 * each day of a year, to plan for all of them takes longer than everything else. So the days around the one that is likely
 * are read first. Each settled position has one row: where as many are found as there are positions, no other day has one.
 */
export async function readNewRows(database: Statements, question: NewRowsQuestion): Promise<NewRows> {
  const { after, upTo, aboutUs } = question;
  const near = upTo - after > mostPositions ? after + mostPositions : upTo;
  const few = await readPage(database, { ...question, upTo: near }, daysAround(aboutUs));
  const missing = few.reached - after - BigInt(few.rows.length);
  if (missing === 0n || missing === (await countOtherRows(database, after, few.reached))) return few;
  return readPage(database, question, allDays);
}

async function readPage(
  database: Statements,
  { after, upTo, payloads, limit, maxBytes }: NewRowsQuestion,
  days: { readonly from: string; readonly to: string },
): Promise<NewRows> {
  const values = [...[after, upTo, limit, maxBytes].map(String), days.from, days.to];
  const found =
    payloads.length === 0
      ? await database.query<Found>(newRows('null::int[]'), values)
      : await database.query<Found>(newRows(containedPayloads), [...values, payloads]);
  const rows = found.filter((row): row is Found & NewRow => row.position !== null);
  return {
    rows,
    reached: BigInt(found[0]?.reached ?? after),
    full: found[0]?.full ?? false,
  };
}

/** Of settled positions that have no event each has its row in one of these. */
async function countOtherRows(database: Statements, after: bigint, upTo: bigint): Promise<bigint> {
  const tables = ['refused', 'tallies', 'dead_letters', 'replays'];
  const counts = tables.map((table) => `(select count(*) from ${table} where position > $1 and position <= $2)`);
  const [row] = await database.query<{ others: string }>(`select ${counts.join(' + ')} as others`, [after, upTo]);
  return BigInt(row?.others ?? 0);
}

const dayMs = 86_400_000;

/** The day, the one before and the one after. */
function daysAround(us: bigint): { readonly from: string; readonly to: string } {
  const beginMs = Math.floor(Number(us / 1_000n) / dayMs) * dayMs;
  const daysLater = (days: number) => new Date(beginMs + days * dayMs).toISOString();
  return { from: daysLater(-1), to: daysLater(2) };
}

type Found = Omit<NewRow, 'position'> & {
  readonly position: string | null;
  readonly reached: string;
  readonly full: boolean;
};

const containedPayloads = `
  array(select p.place::int from unnest($7::text[]::jsonb[]) with ordinality p(wanted, place)
        where page.whole_payload @> p.wanted)`;

/** A page ends early rather than grow beyond its bytes, but has one event at least. */
const newRows = (contains: string) => `
  with page as (
    select ${eventColumns}, payload as whole_payload from events
    where position > $1::bigint and position <= $2::bigint
      and received_at >= $5::timestamptz and received_at < $6::timestamptz
    order by events.position limit $3::int
  ), sized as (
    select *, ${contains} as contains, count(*) over () as found, sum(octet_length(payload)) over (
      order by position rows between unbounded preceding and 1 preceding
    ) as bytes_before
    from page
  ), given as (
    select position, topic, event_id, source, payload, timestamp_us, received_at_us, contains, found from sized
    where coalesce(bytes_before, 0) < $4::bigint
  ), reached as (
    select s.is_full, case when s.is_full then s.last else $2::bigint end as position
    from (select count(*) > 0 and (count(*) < max(found) or count(*) >= $3::int) as is_full, max(position) as last from given) s
  )
  select given.*, reached.position as reached, reached.is_full as full
  from reached left join given on true order by given.position`;
