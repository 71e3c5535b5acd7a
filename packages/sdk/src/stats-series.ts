import type { FieldError } from '@eventsieve/contract/errors';
import { QueryServiceService, SeriesStep } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { encodeTime } from './encode-filter.js';
import { refuse } from './error.js';
import { formatInstant } from './instant.js';
import { type SettledCounts, settledCountsOf } from './settled-counts.js';

export interface SeriesOptions extends CallSettings {
  /** Only this topic, exactly. */
  readonly topic?: string | undefined;
  /** By when the broker took the copies. Default: the beginning of the last 60 steps. */
  readonly from?: Date | string | undefined;
  /** Default: now. */
  readonly to?: Date | string | undefined;
  /** Default: `1m`. Days are those of UTC. */
  readonly step?: '1m' | '1h' | '1d' | undefined;
}

export interface StatsSeries {
  /** One for each step from first to last, also for those in which nothing came. */
  readonly points: readonly SeriesPoint[];
  /** Of the points. */
  readonly totals: SettledCounts;
}

export interface SeriesPoint extends SettledCounts {
  /** When the step begins (ISO 8601, UTC). */
  readonly begin: string;
}

const steps: Readonly<Record<string, SeriesStep>> = {
  '1m': SeriesStep.SERIES_STEP_MINUTE,
  '1h': SeriesStep.SERIES_STEP_HOUR,
  '1d': SeriesStep.SERIES_STEP_DAY,
};

export async function readSeries(
  query: Peer,
  { topic = '', from, to, step: wanted = '1m', ...settings }: SeriesOptions,
): Promise<StatsSeries> {
  const faults: FieldError[] = [];
  const step = Object.hasOwn(steps, wanted) ? steps[wanted] : undefined;
  if (step === undefined) faults.push({ field: 'step', message: 'must be 1m, 1h or 1d' });
  const times = { from: encodeTime('from', from, faults), to: encodeTime('to', to, faults) };
  if (step === undefined || faults.length > 0) throw refuse(faults);
  const { points, totals } = await callUnary(
    query,
    QueryServiceService.getStatsSeries,
    { topic, ...times, step },
    settings,
  );
  return {
    points: points.map(({ begin, counts }) => ({
      begin: begin ? formatInstant(begin) : '',
      ...settledCountsOf(counts),
    })),
    totals: settledCountsOf(totals),
  };
}
