import type { Client, SeriesOptions, StatsSeries } from '@eventsieve/client';
import type { CommandContext } from '../command.js';
import { settledCountsJson } from '../output/counts-json.js';
import { tableLines } from '../output/fields.js';
import { settledCountNames, settledCountRow } from './count-columns.js';

export type Step = '1m' | '1h' | '1d';

const stepsMs = { '1m': 60_000, '1h': 3_600_000, '1d': 86_400_000 } as const;

export async function showSeries(
  client: Client,
  options: SeriesOptions & { readonly step: Step },
  json: boolean,
  { say, ready }: CommandContext,
): Promise<void> {
  const series = await client.statsSeries(options);
  if (json) return say(seriesJson(series, options));
  const rows = series.points.map(({ begin, ...counts }) => [begin, ...settledCountRow(counts)]);
  for (const line of tableLines(['', ...settledCountNames], [...rows, ['all', ...settledCountRow(series.totals)]])) {
    say(line);
    await ready();
  }
}

function seriesJson({ points, totals }: StatsSeries, { topic, step }: SeriesOptions & { readonly step: Step }): string {
  const from = points[0]?.begin ?? '';
  const last = points.at(-1)?.begin;
  const to = last === undefined ? '' : new Date(Date.parse(last) + stepsMs[step]).toISOString().replace('.000Z', 'Z');
  return JSON.stringify({
    ...(topic === undefined ? {} : { topic }),
    step,
    from,
    to,
    points: points.map(({ begin, ...counts }) => ({ begin, ...settledCountsJson(counts) })),
    totals: settledCountsJson(totals),
  });
}
