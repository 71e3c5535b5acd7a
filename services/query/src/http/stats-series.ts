import { SeriesStep } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { FastifyInstance } from 'fastify';
import { formatInstant } from '../instant.js';
import type { Queries } from '../queries.js';
import { getStatsSeries, stepSeconds } from '../rpc/get-stats-series.js';
import { readChoice, readInstant, readParameters } from './parameters.js';
import { settledCountsJson } from './settled-counts-json.js';

const steps = {
  '1m': SeriesStep.SERIES_STEP_MINUTE,
  '1h': SeriesStep.SERIES_STEP_HOUR,
  '1d': SeriesStep.SERIES_STEP_DAY,
} as const;

export function serveStatsSeries(app: FastifyInstance, queries: Pick<Queries, 'database'>): void {
  app.get('/stats/series', async (request) => {
    const given = readParameters(request, ['topic', 'from', 'to', 'step']);
    const step = readChoice('step', given.step, Object.keys(steps) as (keyof typeof steps)[], '1m');
    const { points, totals } = await getStatsSeries(queries, {
      topic: given.topic ?? '',
      from: readInstant('from', given.from),
      to: readInstant('to', given.to),
      step: steps[step],
    });
    const beginOf = (index: number) => points.at(index)?.begin ?? { seconds: 0n, nanos: 0 };
    const last = beginOf(-1);
    return {
      topic: given.topic,
      step,
      from: formatInstant(beginOf(0)),
      to: formatInstant({ ...last, seconds: last.seconds + BigInt(stepSeconds[steps[step]] ?? 0) }),
      points: points.map(({ begin, counts }) => ({
        begin: begin && formatInstant(begin),
        ...settledCountsJson(counts),
      })),
      totals: settledCountsJson(totals),
    };
  });
}
