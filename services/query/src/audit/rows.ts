import type { Difference } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Statements } from '../sql/database.js';
import { listed, type Tally } from './counters.js';
import { difference } from './differences.js';

export interface RowCounts {
  readonly tally: Tally;
  /** Rows at positions up to `settled`, in all the tables that a position can be in. */
  readonly settledRows: bigint;
  /** The exclusive or of those positions: with the count, it tells a set of positions from any other that happens. */
  readonly settledXor: bigint;
  /** The same of every key, position and time together. */
  readonly keyMark: bigint;
  readonly differences: readonly Difference[];
}

/** Reads every row of every table but `events`, once. */
export async function countRows(snapshot: Statements, settled: bigint): Promise<RowCounts> {
  const [row] = await snapshot.query<Row>(selectRows, [settled]);
  if (row === undefined) throw new Error('the rows gave no row');
  const expected = BigInt(row.topics_expected);
  const found = BigInt(row.topics_found);
  const message = `The counters of stored events differ from the keys for ${listed(row.topics ?? [])}.`;
  return {
    tally: {
      unique: BigInt(row.keys),
      duplicates: BigInt(row.duplicates),
      conflicts: BigInt(row.conflicts),
      deadLettered: BigInt(row.dead_letters),
      redriven: BigInt(row.redriven),
    },
    settledRows: BigInt(row.settled_rows),
    settledXor: BigInt(row.settled_xor),
    keyMark: BigInt(row.key_mark),
    differences: row.topics === null ? [] : [difference('unique_by_topic', { expected, found }, message)],
  };
}

type Row = {
  readonly [column in
    | 'keys'
    | 'duplicates'
    | 'conflicts'
    | 'dead_letters'
    | 'redriven'
    | 'settled_rows'
    | 'settled_xor'
    | 'key_mark'
    | 'topics_expected'
    | 'topics_found']: string;
} & { readonly topics: string[] | null };

/** What says of a row of `event_keys` and of its row of `events` that they belong together. */
export const rowMark = 'hash_record_extended(row(position, topic, event_id, received_at), 0)';

const selectRows = `
  with key_topics as materialized (
    select topic, count(*) as n, count(*) filter (where position <= $1) as low,
           bit_xor(position) filter (where position <= $1) as low_xor, bit_xor(${rowMark}) as mark
    from event_keys group by topic
  ), key_rows as (
    select coalesce(sum(n), 0) as n, coalesce(sum(low), 0) as low, bit_xor(low_xor) as low_xor, bit_xor(mark) as mark
    from key_topics
  ), counter_topics as (
    select topic, sum(unique_count) as n from topic_counters group by topic
  ), differing as (
    select topic, coalesce(k.n, 0) as expected, coalesce(c.n, 0) as found
    from key_topics k full join counter_topics c using (topic) where coalesce(k.n, 0) <> coalesce(c.n, 0)
  ), topic_rows as (
    select (array_agg(topic order by topic))[1:10] as topics,
           coalesce(sum(expected), 0) as expected, coalesce(sum(found), 0) as found
    from differing
  ), refused_rows as (
    select count(*) as n, count(*) filter (where conflict) as conflicts, count(*) filter (where position <= $1) as low,
           bit_xor(position) filter (where position <= $1) as low_xor
    from refused
  ), tally_rows as (
    select coalesce(sum(copies), 0) as copies, count(*) filter (where position <= $1) as low,
           bit_xor(position) filter (where position <= $1) as low_xor
    from tallies
  ), dead_rows as (
    select count(*) as n, count(*) filter (where state = 'redriven') as redriven, count(*) filter (where position <= $1) as low,
           bit_xor(position) filter (where position <= $1) as low_xor
    from dead_letters
  ), replay_rows as (
    select count(*) filter (where position <= $1) as low, bit_xor(position) filter (where position <= $1) as low_xor
    from replays
  )
  select k.n as keys, r.n + t.copies as duplicates, r.conflicts, d.n as dead_letters, d.redriven,
         k.low + r.low + t.low + d.low + p.low as settled_rows,
         coalesce(k.low_xor, 0) # coalesce(r.low_xor, 0) # coalesce(t.low_xor, 0) # coalesce(d.low_xor, 0)
           # coalesce(p.low_xor, 0) as settled_xor,
         coalesce(k.mark, 0) as key_mark,
         f.topics, f.expected as topics_expected, f.found as topics_found
  from key_rows k, refused_rows r, tally_rows t, dead_rows d, replay_rows p, topic_rows f`;
