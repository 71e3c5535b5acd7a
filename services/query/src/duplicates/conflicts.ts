import type { StoredEvent } from '@eventsieve/contract/gen/eventsieve/v1/event';
import type { Conflict } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { instantOfMicros } from '../instant.js';
import type { Statements } from '../sql/database.js';

export interface ConflictsAsked {
  /** Empty means all. */
  readonly topic: string;
  readonly source: string;
  readonly limit: number;
  /** Older than this position. */
  readonly before: bigint | undefined;
}

export interface ConflictsPage {
  readonly conflicts: readonly Conflict[];
  /** Where to go on; undefined at the end. */
  readonly next: bigint | undefined;
}

// Neither filter has an index: a page ends after so many conflicts that were looked at, whether they fit or not.
const mostLookedAt = 20_000;
// A gRPC client takes 4 MiB unless it is told otherwise.
const maxPageBytes = 3 * 1024 ** 2;

/** The latest first, each beside what is stored. */
export async function readConflicts(
  statements: Statements,
  { topic, source, limit, before }: ConflictsAsked,
): Promise<ConflictsPage> {
  const values = [before ?? null, topic, source, limit, mostLookedAt, maxPageBytes];
  const rows = await statements.query<Row>(selectConflicts, values);
  const shown = rows.flatMap((row) => (row.position === null ? [] : [conflictOf(row as ConflictRow)]));
  const next = rows.at(-1)?.next_before;
  return { conflicts: shown, next: next == null ? undefined : BigInt(next) };
}

type ConflictRow = {
  readonly position: string;
  readonly topic: string;
  readonly event_id: string;
  readonly source: string;
  readonly payload: string | null;
  readonly timestamp_us: string;
  readonly received_at_us: string;
  readonly first_position: string;
  readonly first_seen_at_us: string;
  readonly stored_source: string | null;
  readonly stored_payload: string | null;
  readonly stored_timestamp_us: string | null;
};

type Row = { readonly [column in keyof ConflictRow]: ConflictRow[column] | null } & {
  readonly next_before: string | null;
};

function conflictOf(row: ConflictRow): Conflict {
  const { topic, event_id: eventId } = row;
  const eventOf = (
    position: string,
    receivedAtUs: string,
    source: string | null,
    timestampUs: string | null,
    payloadJson: string | null,
  ): StoredEvent => ({
    event: {
      topic,
      eventId,
      source: source ?? '',
      timestamp: timestampUs === null ? undefined : instantOfMicros(BigInt(timestampUs)),
      ...(payloadJson !== null && { payloadJson }),
    },
    position: BigInt(position),
    receivedAt: instantOfMicros(BigInt(receivedAtUs)),
  });
  return {
    topic,
    eventId,
    stored: eventOf(
      row.first_position,
      row.first_seen_at_us,
      row.stored_source,
      row.stored_timestamp_us,
      row.stored_payload,
    ),
    refused: eventOf(row.position, row.received_at_us, row.source, row.timestamp_us, row.payload),
  };
}

const micros = (column: string) => `(extract(epoch from ${column}) * 1000000)::bigint`;

const stored = `
  left join lateral (
    select * from events s where s.position = r.first_position and s.received_at = r.first_seen_at limit 1
  ) e on true`;

/**
 * Always a row at the end that says where to go on. A page ends where it is full, where it would grow too large (one
 * conflict is always shown), or where enough was looked at. How large each is is found one by one, and no further than
 * the page goes: storage, which may be compressed, does not tell, and as text all of them could be a gigabyte.
 */
const selectConflicts = `
  with recursive looked_at as materialized (
    select r.position, r.topic, r.source from refused r
    where r.conflict and ($1::bigint is null or r.position < $1)
    order by r.position desc limit $5::integer
  ), wanted as (
    select l.position from looked_at l
    where ($2 = '' or l.topic = $2) and ($3 = '' or l.source = $3)
    order by l.position desc limit $4::integer + 1
  ), list as materialized (
    select array_agg(w.position order by w.position desc) as positions from wanted w
  ), sized (place, bytes) as (
    select 0, 0::bigint
    union all
    select z.place + 1, z.bytes + both_sides.bytes
    from sized z cross join list cross join lateral (
      select coalesce(octet_length(r.payload::text), 0) + coalesce(octet_length(e.payload::text), 0) as bytes
      from refused r ${stored}
      where r.position = list.positions[z.place + 1] limit 1
    ) both_sides
    where z.place < $4::integer and z.bytes <= $6::bigint
  ), shown as materialized (
    select list.positions[z.place] as position from sized z cross join list
    where z.place = 1 or (z.place > 1 and z.bytes <= $6::bigint)
  ), page as (
    select r.position, r.topic, r.event_id, r.source, r.payload::text as payload, ${micros('r."timestamp"')} as timestamp_us,
           ${micros('r.received_at')} as received_at_us, r.first_position, ${micros('r.first_seen_at')} as first_seen_at_us,
           e.source as stored_source, e.payload::text as stored_payload,
           ${micros('e."timestamp"')} as stored_timestamp_us
    from shown join refused r on r.position = shown.position ${stored}
  ), ends as (
    select case
      when (select count(*) from shown) < coalesce((select cardinality(positions) from list), 0)
        then (select min(position) from shown)
      when (select count(*) from looked_at) >= $5::integer then (select min(position) from looked_at)
    end as next_before
  )
  select p.*, e.next_before
  from ends e left join page p on true
  order by p.position desc`;
