import { StatsGroup } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Queries } from '../queries.js';
import { listStats } from '../rpc/list-stats.js';
import { readParameters, readWhole } from './parameters.js';
import { settledCountsJson } from './settled-counts-json.js';

/** The same counts twice, by topic and by source. */
export function serveStatsGroups(app: FastifyInstance, queries: Pick<Queries, 'database'>): void {
  app.get('/stats/topics', async (request) => {
    const given = readParameters(request, ['limit', 'cursor']);
    const { groups, nextCursor } = await listStats(queries, {
      group: StatsGroup.STATS_GROUP_TOPIC,
      topic: '',
      ...pageOf(given),
    });
    return {
      count: groups.length,
      topics: groups.map(({ name, counts }) => ({ topic: name, ...settledCountsJson(counts) })),
      next_cursor: nextCursor || null,
    };
  });

  app.get('/stats/sources', async (request: FastifyRequest) => {
    const given = readParameters(request, ['topic', 'limit', 'cursor']);
    const { groups, nextCursor, behind } = await listStats(queries, {
      group: StatsGroup.STATS_GROUP_SOURCE,
      topic: given.topic ?? '',
      ...pageOf(given),
    });
    return {
      topic: given.topic,
      count: groups.length,
      sources: groups.map(({ name, counts }) => {
        // Dead letters have no source that could be trusted.
        const { dead_lettered: _, redriven: __, ...ofSource } = settledCountsJson(counts);
        return { source: name, ...ofSource };
      }),
      next_cursor: nextCursor || null,
      behind: Number(behind),
    };
  });
}

function pageOf(given: { readonly limit?: string; readonly cursor?: string }) {
  return { limit: readWhole('limit', given.limit, 100, 1, 1000), cursor: given.cursor ?? '' };
}
