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
  /** What retention has taken out of them; it is among all that stands above. */
  readonly removed: { readonly rows: bigint; readonly upTo: bigint };
  readonly differences: readonly Difference[];
}

/** Reads every row of every table but `events`, once, and the sums of those that were removed. */
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
    removed: { rows: BigInt(row.removed_rows), upTo: BigInt(row.removed_up_to) },
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
    | 'removed_rows'
    | 'removed_up_to'
    | 'topics_expected'
    | 'topics_found']: string;
} & { readonly topics: string[] | null };

/** What says of a row of `event_keys` and of its row of `events` that they belong together. */
export const rowMark = 'row_mark_v1(position, topic, event_id, received_at)';

const selectRows = `
  with present_topics as materialized (
    select topic, count(*) as n, count(*) filter (where position <= $1) as low,
           bit_xor(position) filter (where position <= $1) as low_xor, bit_xor(${rowMark}) as mark
    from event_keys group by topic
  ), gone as materialized (
    select * from removed where kind <> 'events'
  ), key_topics as (
    select topic, sum(n) as n, sum(low) as low, bit_xor(low_xor) as low_xor, bit_xor(mark) as mark
    from (
      select topic, n, low, low_xor, mark from present_topics
      union all
      select topic, row_count, row_count, position_xor, mark_xor from gone where kind = 'event_keys'
    ) both_of_them group by topic
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
  ), gone_rows as (
    select coalesce(sum(row_count), 0) as n, coalesce(max(last_position), 0) as up_to,
           coalesce(sum(row_count) filter (where kind <> 'event_keys'), 0) as low,
           coalesce(bit_xor(position_xor) filter (where kind <> 'event_keys'), 0) as low_xor,
           coalesce(sum(row_count) filter (where kind = 'dead_letters'), 0) as dead_letters,
           coalesce(sum(duplicate_count), 0) as duplicates, coalesce(sum(conflict_count), 0) as conflicts,
           coalesce(sum(redriven_count), 0) as redriven
    from gone
  )
  select k.n as keys, r.n + t.copies + g.duplicates as duplicates, r.conflicts + g.conflicts as conflicts,
         d.n + g.dead_letters as dead_letters, d.redriven + g.redriven as redriven,
         k.low + r.low + t.low + d.low + p.low + g.low as settled_rows,
         coalesce(k.low_xor, 0) # coalesce(r.low_xor, 0) # coalesce(t.low_xor, 0) # coalesce(d.low_xor, 0)
           # coalesce(p.low_xor, 0) # g.low_xor as settled_xor,
         coalesce(k.mark, 0) as key_mark, g.n as removed_rows, g.up_to as removed_up_to,
         f.topics, f.expected as topics_expected, f.found as topics_found
  from key_rows k, refused_rows r, tally_rows t, dead_rows d, replay_rows p, topic_rows f, gone_rows g`;
