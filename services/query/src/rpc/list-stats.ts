import { type FieldError, invalid } from '@eventsieve/contract/errors';
import {
  type ListStatsRequest,
  type ListStatsResponse,
  StatsGroup,
} from '@eventsieve/contract/gen/eventsieve/v1/query';
import { lookupFaults } from '../lookup-text.js';
import { decodeNameCursor, encodeNameCursor } from '../name-cursor.js';
import type { Queries } from '../queries.js';
import { copiesBehind } from '../sql/copies-behind.js';
import { type CountsRow, countSums, settledCountsOf } from '../sql/settled-counts.js';

const defaultLimit = 100;
const maxLimit = 1000;

/** By name, from counters. */
export async function listStats(
  { database }: Pick<Queries, 'database'>,
  request: ListStatsRequest,
): Promise<ListStatsResponse> {
  const { limit, after, bySource } = validate(request);
  const [rows, behind] = await database.inSnapshot(async (snapshot) => [
    await snapshot.query<GroupRow>(
      bySource ? selectSources : selectTopics,
      bySource ? [after, limit + 1, request.topic] : [after, limit + 1],
    ),
    bySource ? await copiesBehind(snapshot) : 0n,
  ]);
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    groups: shown.map((row) => ({ name: row.name, counts: settledCountsOf(row) })),
    nextCursor: last !== undefined && rows.length > limit ? encodeNameCursor(last.name) : '',
    behind,
  };
}

function validate({ group, topic, limit, cursor }: ListStatsRequest) {
  const faults: FieldError[] = lookupFaults({ topic });
  const bySource = group === StatsGroup.STATS_GROUP_SOURCE;
  if (group < StatsGroup.STATS_GROUP_UNSPECIFIED || group > StatsGroup.STATS_GROUP_SOURCE) {
    faults.push({ field: 'group', message: `has no meaning for ${group}` });
  } else if (topic !== '' && !bySource) {
    faults.push({ field: 'topic', message: 'goes with STATS_GROUP_SOURCE only' });
  }
  if (limit < 0 || limit > maxLimit) faults.push({ field: 'limit', message: `must be from 1 to ${maxLimit}` });
  if (faults.length > 0) throw invalid(faults);
  return {
    bySource,
    limit: limit === 0 ? defaultLimit : limit,
    after: cursor === '' ? null : decodeNameCursor(cursor),
  };
}

type GroupRow = CountsRow & { readonly name: string };

// Null is no name: what comes after the empty one comes after it, too.
const selectTopics = `
  select topic as name, ${countSums} from topic_counters
  where $1::text is null or topic > $1 group by topic order by topic limit $2`;

const selectSources = `
  select source as name, sum(unique_count) as unique_count, sum(duplicate_count) as duplicate_count,
         sum(conflict_count) as conflict_count, 0 as dead_letter_count, 0 as redriven_count
  from source_counters
  where ($1::text is null or source > $1) and ($3 = '' or topic = $3) group by source order by source limit $2`;
