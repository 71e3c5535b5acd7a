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

/**
 * Always a row at the end that says where to go on. A page ends where it is full, where it would grow too large (one
 * conflict is always shown), or where enough was looked at.
 */
const selectConflicts = `
  with looked_at as materialized (
    select r.position, r.topic, r.source from refused r
    where r.conflict and ($1::bigint is null or r.position < $1)
    order by r.position desc limit $5::integer
  ), wanted as (
    select l.position from looked_at l
    where ($2 = '' or l.topic = $2) and ($3 = '' or l.source = $3)
    order by l.position desc limit $4::integer + 1
  ), page as (
    select r.position, r.topic, r.event_id, r.source, r.payload::text as payload, ${micros('r."timestamp"')} as timestamp_us,
           ${micros('r.received_at')} as received_at_us, r.first_position, ${micros('r.first_seen_at')} as first_seen_at_us,
           e.source as stored_source, e.payload::text as stored_payload,
           ${micros('e."timestamp"')} as stored_timestamp_us
    from wanted w
    join refused r on r.position = w.position
    left join lateral (
      select * from events s where s.position = r.first_position and s.received_at = r.first_seen_at limit 1
    ) e on true
  ), sized as (
    select p.*, row_number() over latest_first as place,
           sum(coalesce(octet_length(p.payload), 0) + coalesce(octet_length(p.stored_payload), 0)) over latest_first as bytes
    from page p
    window latest_first as (order by p.position desc rows unbounded preceding)
  ), shown as (
    select * from sized where place = 1 or (place <= $4::integer and bytes <= $6::bigint)
  ), ends as (
    select case
      when (select count(*) from shown) < (select count(*) from sized) then (select min(position) from shown)
      when (select count(*) from looked_at) >= $5::integer then (select min(position) from looked_at)
    end as next_before
  )
  select s.position, s.topic, s.event_id, s.source, s.payload, s.timestamp_us, s.received_at_us, s.first_position,
         s.first_seen_at_us, s.stored_source, s.stored_payload, s.stored_timestamp_us, e.next_before
  from ends e left join shown s on true
  order by s.position desc`;
