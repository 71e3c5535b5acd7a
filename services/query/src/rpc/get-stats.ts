import type { Counts, GetStatsResponse } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { instantOfMicros } from '../instant.js';
import type { BrokerAnswer } from '../last-position.js';
import type { Queries } from '../queries.js';

type StatsQueries = Pick<Queries, 'database' | 'lastPosition' | 'startedAtMs'>;

/** Every counter in one snapshot; what the broker holds is read before it, so that nothing is counted twice. */
export async function getStats(queries: StatsQueries): Promise<GetStatsResponse> {
  const reading = await newestReading(queries);
  const [row] = await queries.database.query<StatsRow>(selectStats, [
    reading?.created ?? null,
    reading?.lastSequence ?? null,
  ]);
  if (row === undefined) throw new Error('the counters gave no row');

  const inFlight = inFlightOf(row, reading);
  const lifetime = countsOf(row, inFlight);
  const since = row.since_us === null ? BigInt(queries.startedAtMs) * 1000n : BigInt(row.since_us);
  return {
    current: sinceBaseline(lifetime, row),
    lifetime,
    queueSize: inFlight,
    topics: row.topics,
    uptimeSeconds: (Date.now() - queries.startedAtMs) / 1000,
    since: instantOfMicros(since),
  };
}

/** While NATS is away, what it said last still bounds what it holds from below. */
async function newestReading({ lastPosition }: StatsQueries) {
  const answer: BrokerAnswer = await lastPosition.read();
  return typeof answer === 'object' ? answer : answer === 'away' ? lastPosition.lastReading() : undefined;
}

function inFlightOf(row: StatsRow, reading: { created: string; messages: bigint } | undefined): bigint {
  // Another stream than the epoch's: its positions begin only with the next epoch, but each message in it is a copy.
  if (reading !== undefined && reading.created !== row.stream_created) return reading.messages;
  const inFlight = BigInt(row.last_position) - BigInt(row.watermark) - BigInt(row.rows_above);
  return inFlight > 0n ? inFlight : 0n;
}

function countsOf(row: StatsRow, inFlight: bigint): Counts {
  const settled = BigInt(row.settled);
  return {
    received: settled + inFlight,
    uniqueProcessed: BigInt(row.unique_count),
    duplicateDropped: BigInt(row.duplicate_count),
    conflicts: BigInt(row.conflict_count),
    deadLettered: BigInt(row.dead_letter_count),
    redriven: BigInt(row.redriven_count),
    inFlight,
  };
}

/** The baseline's `received` was stored without what was in flight then, so the sum holds after a reset as well. */
function sinceBaseline(counts: Counts, row: StatsRow): Counts {
  return {
    received: counts.received - BigInt(row.base_received),
    uniqueProcessed: counts.uniqueProcessed - BigInt(row.base_unique),
    duplicateDropped: counts.duplicateDropped - BigInt(row.base_duplicate),
    conflicts: counts.conflicts - BigInt(row.base_conflict),
    deadLettered: counts.deadLettered - BigInt(row.base_dead_letter),
    redriven: counts.redriven - BigInt(row.base_redriven),
    inFlight: counts.inFlight,
  };
}

type StatsRow = {
  readonly [column in
    | 'unique_count'
    | 'duplicate_count'
    | 'conflict_count'
    | 'dead_letter_count'
    | 'redriven_count'
    | 'settled'
    | 'base_received'
    | 'base_unique'
    | 'base_duplicate'
    | 'base_conflict'
    | 'base_dead_letter'
    | 'base_redriven'
    | 'watermark'
    | 'last_position'
    | 'rows_above']: string;
} & { readonly topics: string[]; readonly since_us: string | null; readonly stream_created: string | null };

// One statement, and so one snapshot. $1 is the stream's `created`, $2 its last sequence; null when nobody knows.
const selectStats = `
  with epoch as (
    select base, stream_created from epochs order by epoch desc limit 1
  ), bounds as (
    select w.position as watermark, e.stream_created,
           greatest(w.position, w.known, case when e.stream_created = $1 then e.base + $2::bigint end) as last_position
    from watermark w left join epoch e on true
  ), by_topic as (
    select topic, sum(unique_count) as unique_count, sum(duplicate_count) as duplicate_count,
           sum(conflict_count) as conflict_count, sum(dead_letter_count) as dead_letter_count,
           sum(redriven_count) as redriven_count
    from topic_counters group by topic
  ), totals as (
    select coalesce(sum(unique_count), 0)::bigint as unique_count,
           coalesce(sum(duplicate_count), 0)::bigint as duplicate_count,
           coalesce(sum(conflict_count), 0)::bigint as conflict_count,
           coalesce(sum(dead_letter_count), 0)::bigint as dead_letter_count,
           coalesce(sum(redriven_count), 0)::bigint as redriven_count,
           coalesce(sum(unique_count + duplicate_count + dead_letter_count - redriven_count), 0)::bigint as settled,
           coalesce(array_agg(topic order by topic) filter (where unique_count > 0), '{}') as topics
    from by_topic
  ), rows_above as (
    select (select count(*) from events where position > watermark and position <= last_position)
         + (select count(*) from refused where position > watermark and position <= last_position)
         + (select count(*) from tallies where position > watermark and position <= last_position)
         + (select count(*) from dead_letters where position > watermark and position <= last_position)
         + (select count(*) from replays where position > watermark and position <= last_position) as rows_above
    from bounds
  )
  select t.*, b.*, r.rows_above,
         coalesce(z.received, 0) as base_received, coalesce(z.unique_count, 0) as base_unique,
         coalesce(z.duplicate_count, 0) as base_duplicate, coalesce(z.conflict_count, 0) as base_conflict,
         coalesce(z.dead_letter_count, 0) as base_dead_letter, coalesce(z.redriven_count, 0) as base_redriven,
         (extract(epoch from coalesce(z.since, (select min(opened_at) from epochs))) * 1000000)::bigint as since_us
  from totals t cross join bounds b cross join rows_above r left join stats_baseline z on true`;
