import { type FieldError, invalid } from '@eventsieve/contract/errors';
import {
  type GetStatsSeriesRequest,
  type GetStatsSeriesResponse,
  type SeriesPoint,
  SeriesStep,
} from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';
import { lookupFaults } from '../lookup-text.js';
import type { Queries } from '../queries.js';
import { type CountsRow, countSums, settledCountsOf, sumOf } from '../sql/settled-counts.js';

const maxPoints = 10_000;
const usualPoints = 60;
const shortestStep = 60;
const earliestSeconds = -62_135_596_800; // 0001-01-01T00:00:00Z
const latestSeconds = 253_402_300_800; // 10000-01-01T00:00:00Z

const statementTimeout = '57014';
// Trying again would take as long.
const tooMuch = ({ from }: GetStatsSeriesRequest) => {
  const [field, less] = from === undefined ? ['step', 'shorter'] : ['from', 'later'];
  return invalid([{ field, message: `gives more minutes than can be added up in time: take a ${less} one` }]);
};
const sqlStateOf = (error: unknown) => (error as { code?: unknown } | null)?.code;

/** Steps begin where they do in UTC, so each is a whole number of steps since 1970. */
export const stepSeconds: Readonly<Record<number, number>> = {
  [SeriesStep.SERIES_STEP_UNSPECIFIED]: 60,
  [SeriesStep.SERIES_STEP_MINUTE]: 60,
  [SeriesStep.SERIES_STEP_HOUR]: 3_600,
  [SeriesStep.SERIES_STEP_DAY]: 86_400,
};

/** From counters, never from rows: every step of which a part lies within the bounds. */
export async function getStatsSeries(
  { database }: Pick<Queries, 'database'>,
  request: GetStatsSeriesRequest,
): Promise<GetStatsSeriesResponse> {
  const { step, first, end } = boundsOf(request);
  const values = [first, end, `${step} seconds`, request.topic];
  const rows = await database.query<SeriesRow>(selectSeries, values).catch((error: unknown) => {
    // The last hour is always there to be had: then it is the database that is slow.
    const bounded = request.from !== undefined || step > shortestStep;
    throw bounded && sqlStateOf(error) === statementTimeout ? tooMuch(request) : error;
  });
  const counted = new Map(rows.map((row) => [Number(row.begin), settledCountsOf(row)]));
  const points: SeriesPoint[] = [];
  for (let begin = first; begin < end; begin += step) {
    points.push({ begin: { seconds: BigInt(begin), nanos: 0 }, counts: counted.get(begin) ?? sumOf([]) });
  }
  return { points, totals: sumOf(counted.values()) };
}

function boundsOf({ topic, from, to, step: wanted }: GetStatsSeriesRequest) {
  const faults: FieldError[] = lookupFaults({ topic });
  const step = stepSeconds[wanted];
  if (step === undefined) faults.push({ field: 'step', message: `has no meaning for ${wanted}` });
  const fromSeconds = secondsOf('from', from, faults);
  const toSeconds = secondsOf('to', to, faults);
  if (faults.length > 0 || step === undefined) throw invalid(faults);

  // A step that only begins when the time is up is not one of them. The last one of all times ends in year 10000, which
  // has no spelling.
  const lastEnd = Math.floor((latestSeconds - 1) / step) * step;
  const end = Math.min(Math.ceil((toSeconds ?? Date.now() / 1000) / step) * step, lastEnd);
  const first = fromSeconds === undefined ? end - usualPoints * step : Math.floor(fromSeconds / step) * step;
  const points = (end - first) / step;
  if (points < 1) throw invalid([{ field: 'from', message: 'must be before "to", which without a value is now' }]);
  if (points > maxPoints) {
    const message = `would give ${points} points, more than ${maxPoints}: take a later one, or a longer step`;
    throw invalid([{ field: 'from', message }]);
  }
  return { step, first, end };
}

function secondsOf(field: string, time: Timestamp | undefined, faults: FieldError[]): number | undefined {
  if (time === undefined) return undefined;
  const seconds = Number(time.seconds);
  if (seconds < earliestSeconds || seconds >= latestSeconds || time.nanos < 0 || time.nanos > 999_999_999) {
    faults.push({ field, message: 'must be a time from year 1 to 9999' });
  }
  // Within a second it makes no difference to a step where, only whether at its beginning.
  return time.nanos === 0 ? seconds : seconds + 0.5;
}

type SeriesRow = CountsRow & { readonly begin: string };

// Its first key is the minute, so only the steps asked for are read. Those that retention summed up have the minute
// -infinity, which is before any bound. The number of a step is worked out for each step, not for each minute: a year of
// minutes of many topics takes a third less.
const selectSeries = `
  select extract(epoch from step_begin)::bigint as begin, s.* from (
    select date_bin($3::interval, minute, 'epoch') as step_begin, ${countSums}
    from minute_counters
    where minute >= to_timestamp($1) and minute < to_timestamp($2) and ($4 = '' or topic = $4)
    group by 1
  ) s`;
