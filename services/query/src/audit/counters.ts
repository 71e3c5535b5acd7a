import type { Difference } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Statements } from '../sql/database.js';
import { difference } from './differences.js';

export interface Tally {
  readonly unique: bigint;
  readonly duplicates: bigint;
  readonly conflicts: bigint;
  readonly deadLettered: bigint;
  readonly redriven: bigint;
}

/** The counters by topic, added up. */
export async function readCounters(snapshot: Statements): Promise<Tally> {
  const [row] = await snapshot.query<{ [column in keyof Tally]: string }>(`
    select coalesce(sum(unique_count), 0) as unique, coalesce(sum(duplicate_count), 0) as duplicates,
           coalesce(sum(conflict_count), 0) as conflicts, coalesce(sum(dead_letter_count), 0) as "deadLettered",
           coalesce(sum(redriven_count), 0) as redriven
    from topic_counters`);
  return {
    unique: BigInt(row?.unique ?? 0),
    duplicates: BigInt(row?.duplicates ?? 0),
    conflicts: BigInt(row?.conflicts ?? 0),
    deadLettered: BigInt(row?.deadLettered ?? 0),
    redriven: BigInt(row?.redriven ?? 0),
  };
}

/** What the rows give is what is expected of the counters. */
export function compareCounters(counters: Tally, rows: Tally): Difference[] {
  const compared = [
    ['unique_processed', 'stored events', counters.unique, rows.unique],
    ['duplicate_dropped', 'duplicates', counters.duplicates, rows.duplicates],
    ['conflicts', 'conflicts', counters.conflicts, rows.conflicts],
    ['dead_lettered', 'dead letters', counters.deadLettered, rows.deadLettered],
    ['redriven', 'redriven dead letters', counters.redriven, rows.redriven],
  ] as const;
  return compared.flatMap(([what, named, found, expected]) =>
    found === expected
      ? []
      : [difference(what, { expected, found }, `The counters say ${found} ${named}, the rows say ${expected}.`)],
  );
}

/** Both counters are written by the same call, so they agree topic by topic. */
export async function compareMinutes(snapshot: Statements): Promise<Difference[]> {
  const [row] = await snapshot.query<{ topics: string[] | null; expected: string; found: string }>(`
    with by_topic as (
      select topic, sum(unique_count) as u, sum(duplicate_count) as d, sum(conflict_count) as c,
             sum(dead_letter_count) as l, sum(redriven_count) as r
      from topic_counters group by topic
    ), by_minute as (
      select topic, sum(unique_count) as u, sum(duplicate_count) as d, sum(conflict_count) as c,
             sum(dead_letter_count) as l, sum(redriven_count) as r
      from minute_counters group by topic
    ), differing as (
      select topic, coalesce(t.u + t.d + t.l, 0) as expected, coalesce(m.u + m.d + m.l, 0) as found
      from by_topic t full join by_minute m using (topic)
      where (coalesce(t.u, 0), coalesce(t.d, 0), coalesce(t.c, 0), coalesce(t.l, 0), coalesce(t.r, 0))
         <> (coalesce(m.u, 0), coalesce(m.d, 0), coalesce(m.c, 0), coalesce(m.l, 0), coalesce(m.r, 0))
    )
    select (array_agg(topic order by topic))[1:10] as topics,
           coalesce(sum(expected), 0) as expected, coalesce(sum(found), 0) as found
    from differing`);
  if (row === undefined || row.topics === null) return [];
  const counts = { expected: BigInt(row.expected), found: BigInt(row.found) };
  const message = `The counters by minute do not add up to those by topic for ${listed(row.topics)}.`;
  return [difference('minute_counters', counts, message)];
}

export function listed(topics: readonly string[]): string {
  return topics.map((topic) => JSON.stringify(topic)).join(', ');
}
