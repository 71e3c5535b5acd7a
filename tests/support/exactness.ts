import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect } from 'vitest';
import type { TestDatabase } from './database.js';
import type { Answered, Planned } from './publishers.js';
import type { System } from './system.js';
import { waitUntil } from './wait-until.js';

/** Waits until everything that the broker took is stored: the watermark has reached its last sequence. */
export async function drained(
  { database, natsUrl, names }: Pick<System, 'database' | 'natsUrl' | 'names'>,
  expectedKnown = 0,
  timeoutMs = 60_000,
): Promise<void> {
  const connection = await connect({ servers: natsUrl });
  try {
    const jsm = await jetstreamManager(connection);
    // What the row calls known is what a worker saw last: the broker may have taken more since.
    const look = async () => {
      const { created, state } = await jsm.streams.info(names.stream);
      return await database.value<boolean>(isDrained, [expectedKnown, created, state.last_seq]);
    };
    await waitUntil('everything is stored', look, { timeoutMs });
  } finally {
    await connection.close();
  }
}

const isDrained = `
  select w.position >= w.known and w.known >= $1 and e.stream_created = $2 and w.position >= e.base + $3::bigint
  from watermark w, (select base, stream_created from epochs order by epoch desc limit 1) e`;

export interface Totals {
  readonly unique: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly dead: number;
  readonly redriven: number;
}

/** The counters, after holding them against the rows: every position up to the watermark has exactly one row. */
export async function auditedTotals(database: TestDatabase): Promise<Totals> {
  const { rows } = await database.pool.query<Record<string, number>>(`
    with found as (
      select position from event_keys union all select position from refused union all select position from tallies
      union all select position from dead_letters union all select position from replays
    )
    select (select coalesce(sum(unique_count), 0)::int from topic_counters) as unique,
           (select coalesce(sum(duplicate_count), 0)::int from topic_counters) as duplicates,
           (select coalesce(sum(conflict_count), 0)::int from topic_counters) as conflicts,
           (select coalesce(sum(dead_letter_count), 0)::int from topic_counters) as dead,
           (select coalesce(sum(redriven_count), 0)::int from topic_counters) as redriven,
           (select coalesce(sum(unique_count), 0)::int from minute_counters) as minute_unique,
           (select coalesce(sum(duplicate_count), 0)::int from minute_counters) as minute_duplicates,
           (select coalesce(sum(conflict_count), 0)::int from minute_counters) as minute_conflicts,
           (select coalesce(sum(dead_letter_count), 0)::int from minute_counters) as minute_dead,
           (select coalesce(sum(redriven_count), 0)::int from minute_counters) as minute_redriven,
           (select count(*)::int from event_keys) as keys,
           (select count(*)::int from events) as events,
           (select count(*)::int from refused) + (select coalesce(sum(copies), 0)::int from tallies) as repeat_rows,
           (select count(*)::int from refused where conflict) as conflict_rows,
           (select count(*)::int from dead_letters) as dead_rows,
           (select count(*)::int from dead_letters where state = 'redriven') as redriven_rows,
           (select count(*)::int from found) as positions,
           (select count(distinct position)::int from found) as distinct_positions,
           (select count(*)::int from events e join event_keys k using (topic, event_id, position)) as matching`);
  const row = rows[0];
  if (row === undefined) throw new Error('no totals');
  expect(row).toMatchObject({
    keys: row.unique,
    events: row.unique,
    matching: row.unique,
    minute_unique: row.unique,
    repeat_rows: row.duplicates,
    minute_duplicates: row.duplicates,
    conflict_rows: row.conflicts,
    minute_conflicts: row.conflicts,
    dead_rows: row.dead,
    minute_dead: row.dead,
    redriven_rows: row.redriven,
    minute_redriven: row.redriven,
    distinct_positions: row.positions,
  });
  return row as unknown as Totals;
}

/** P1: whatever was answered is stored, and with the content of one of its copies. */
export async function expectAllStored(
  database: TestDatabase,
  answered: readonly (Planned | Answered)[],
): Promise<void> {
  const { rows } = await database.pool.query<{ topic: string; event_id: string; payload: string }>(
    'select topic, event_id, payload::text from events',
  );
  const stored = new Map(rows.map((row) => [`${row.topic}/${row.event_id}`, row.payload]));
  expect(stored.size).toBe(rows.length);
  const missing = answered.filter(({ topic, eventId }) => !stored.has(`${topic}/${eventId}`));
  expect(missing.slice(0, 5)).toEqual([]);
  for (const { topic, eventId, payload } of answered) {
    expect(JSON.parse(stored.get(`${topic}/${eventId}`) ?? 'null')).toEqual(JSON.parse(payload));
  }
}
