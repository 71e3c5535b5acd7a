import type { Counts, GetStatsResponse } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { instantOfMicros } from '../instant.js';
import { newestReading } from '../last-position.js';
import type { Queries } from '../queries.js';
import { type InFlightRow, inFlightOf, inFlightParameters, inFlightTables, untilPlaced } from '../sql/in-flight.js';

type StatsQueries = Pick<Queries, 'database' | 'lastPosition' | 'startedAtMs'>;

/** Every counter in one snapshot; what the broker holds is read before it, so that nothing is counted twice. */
export async function getStats(queries: StatsQueries): Promise<GetStatsResponse> {
  const { row, reading } = await untilPlaced(async () => {
    const reading = await newestReading(queries.lastPosition);
    const [row] = await queries.database.query<StatsRow>(selectStats, inFlightParameters(reading));
    if (row === undefined) throw new Error('the watermark has no row');
    return { row, reading };
  });

  const inFlight = inFlightOf(row, reading);
  const lifetime = lifetimeOf(row, inFlight.copies);
  const since = row.since_us === null ? BigInt(queries.startedAtMs) * 1000n : BigInt(row.since_us);
  return {
    current: sinceBaseline(lifetime, row),
    lifetime,
    queueSize: inFlight.messages,
    topics: row.topics,
    uptimeSeconds: (Date.now() - queries.startedAtMs) / 1000,
    since: instantOfMicros(since),
  };
}

function lifetimeOf(row: StatsRow, inFlight: bigint): Counts {
  return {
    received: BigInt(row.settled) + inFlight,
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

type Count =
  | `${'unique' | 'duplicate' | 'conflict' | 'dead_letter' | 'redriven'}_count`
  | `base_${'received' | 'unique' | 'duplicate' | 'conflict' | 'dead_letter' | 'redriven'}`
  | 'settled';

type StatsRow = InFlightRow & { readonly [column in Count]: string } & {
  readonly topics: string[];
  readonly since_us: string | null;
};

// One statement, and so one snapshot.
const selectStats = `
  with ${inFlightTables}, by_topic as (
    select topic, sum(unique_count) as unique_count, sum(duplicate_count) as duplicate_count,
           sum(conflict_count) as conflict_count, sum(dead_letter_count) as dead_letter_count,
           sum(redriven_count) as redriven_count
    from topic_counters group by topic
  ), totals as (
    select coalesce(sum(unique_count), 0) as unique_count, coalesce(sum(duplicate_count), 0) as duplicate_count,
           coalesce(sum(conflict_count), 0) as conflict_count, coalesce(sum(dead_letter_count), 0) as dead_letter_count,
           coalesce(sum(redriven_count), 0) as redriven_count,
           coalesce(sum(unique_count + duplicate_count + dead_letter_count - redriven_count), 0) as settled,
           coalesce(array_agg(topic order by topic) filter (where unique_count > 0), '{}') as topics
    from by_topic
  )
  select t.*, b.*, a.*,
         coalesce(z.received, 0) as base_received, coalesce(z.unique_count, 0) as base_unique,
         coalesce(z.duplicate_count, 0) as base_duplicate, coalesce(z.conflict_count, 0) as base_conflict,
         coalesce(z.dead_letter_count, 0) as base_dead_letter, coalesce(z.redriven_count, 0) as base_redriven,
         (extract(epoch from coalesce(z.since, (select min(opened_at) from epochs))) * 1000000)::bigint as since_us
  from totals t cross join bounds b cross join above a left join stats_baseline z on true`;
