import { type FieldError, invalid } from '@eventsieve/contract/errors';
import type {
  GapBucket,
  ListDuplicatesRequest,
  ListDuplicatesResponse,
  RepeatingSource,
} from '@eventsieve/contract/gen/eventsieve/v1/query';
import { decodeCursor, encodeCursor } from '../cursor.js';
import { readConflicts } from '../duplicates/conflicts.js';
import { suggestWindow } from '../duplicates/gap-window.js';
import { lookupFaults } from '../lookup-text.js';
import type { Queries } from '../queries.js';
import { copiesBehind } from '../sql/copies-behind.js';

const defaultLimit = 100;
const maxLimit = 1000;

/** Who repeats, how often and after how long, from counters; and the conflicts, each with both sides of it. */
export async function listDuplicates(
  { database }: Pick<Queries, 'database'>,
  request: ListDuplicatesRequest,
): Promise<ListDuplicatesResponse> {
  const { limit, before } = validate(request);
  const { topic, source } = request;
  const answer = await database.inSnapshot(async (snapshot) => ({
    sources: await snapshot.query<SourceRow>(selectSources, [topic, source, limit]),
    gaps: await snapshot.query<GapRow>(selectGaps, [topic, source]),
    behind: await copiesBehind(snapshot),
    page: await readConflicts(snapshot, { topic, source, limit, before }),
  }));
  const gaps = answer.gaps.map(gapOf);
  return {
    sources: answer.sources.map(sourceOf),
    gaps,
    window: suggestWindow(gaps),
    conflicts: [...answer.page.conflicts],
    nextCursor: answer.page.next === undefined ? '' : encodeCursor(answer.page.next),
    behind: answer.behind,
  };
}

function validate({ topic, source, limit, cursor }: ListDuplicatesRequest) {
  const faults: FieldError[] = lookupFaults({ topic, source });
  if (limit < 0 || limit > maxLimit) faults.push({ field: 'limit', message: `must be from 1 to ${maxLimit}` });
  if (faults.length > 0) throw invalid(faults);
  return { limit: limit === 0 ? defaultLimit : limit, before: cursor === '' ? undefined : decodeCursor(cursor) };
}

type SourceRow = {
  readonly source: string;
  readonly topic: string;
  readonly unique_count: string;
  readonly duplicate_count: string;
  readonly conflict_count: string;
};

const selectSources = `
  select source, topic, unique_count, duplicate_count, conflict_count from source_counters
  where duplicate_count > 0 and ($1 = '' or topic = $1) and ($2 = '' or source = $2)
  order by duplicate_count desc, source, topic limit $3`;

const sourceOf = (row: SourceRow): RepeatingSource => ({
  source: row.source,
  topic: row.topic,
  uniqueProcessed: BigInt(row.unique_count),
  duplicateDropped: BigInt(row.duplicate_count),
  conflicts: BigInt(row.conflict_count),
});

type GapRow = { readonly bucket: number; readonly duplicate_count: string };

const selectGaps = `
  select bucket, sum(duplicate_count) as duplicate_count from gap_counters
  where ($1 = '' or topic = $1) and ($2 = '' or source = $2) group by bucket order by bucket`;

const gapOf = ({ bucket, duplicate_count: duplicates }: GapRow): GapBucket => ({
  upToMs: 1n << BigInt(bucket),
  duplicates: BigInt(duplicates),
});
