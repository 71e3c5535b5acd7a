import { QueryServiceService, StatsGroup } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { refuse } from './error.js';
import { type ReadPagesOptions, readPages } from './read-pages.js';
import { type SettledCounts, settledCountsOf } from './settled-counts.js';

export interface StatsByOptions extends CallSettings, Omit<ReadPagesOptions, 'cursor'> {
  /** With `source`: only of this topic, exactly. */
  readonly topic?: string | undefined;
  /** How many are fetched at a time, 1 to 1000. */
  readonly pageSize?: number | undefined;
}

export interface NamedCounts extends SettledCounts {
  /** The topic or the source. Dead letters have no source that could be trusted, and are counted by topic only. */
  readonly name: string;
}

const defaultPageSize = 500;
const groups: Readonly<Record<string, StatsGroup>> = {
  topic: StatsGroup.STATS_GROUP_TOPIC,
  source: StatsGroup.STATS_GROUP_SOURCE,
};

/** By name. */
export async function* listStats(
  query: Peer,
  by: 'topic' | 'source',
  { topic = '', pageSize: limit = defaultPageSize, retry, ...settings }: StatsByOptions,
): AsyncGenerator<NamedCounts> {
  const group = Object.hasOwn(groups, by) ? groups[by] : undefined;
  if (group === undefined) throw refuse([{ field: 'group', message: 'must be topic or source' }]);
  const read = async (cursor: string) => {
    const request = { group, topic, limit, cursor };
    const answer = await callUnary(query, QueryServiceService.listStats, request, settings);
    const { nextCursor } = answer;
    return { groups: answer.groups, ...(nextCursor === '' ? {} : { nextCursor }) };
  };
  for await (const page of readPages(read, { retry, signal: settings.signal })) {
    for (const { name, counts } of page.groups) yield { name, ...settledCountsOf(counts) };
  }
}
