import type { EventFilter } from '../filter/event-filter.js';
import type { Statements } from '../sql/database.js';
import { type Bind, bindings } from './bindings.js';
import { within } from './filter-condition.js';

/** Positions from `low` to `high`, both inclusive. */
export interface Stretch {
  readonly low: bigint;
  readonly high: bigint;
  /** Nothing in it was received before this. With the next, it spares looking into the partitions of other days. */
  readonly receivedFromUs: bigint | undefined;
  /** Nothing in it that is wanted was received at or after this. */
  readonly receivedToUs: bigint | undefined;
  /** The times of the events that are wanted, where it is short enough to pass over the others without asking for the time. */
  readonly happenedFromUs?: bigint | undefined;
  readonly happenedToUs?: bigint | undefined;
}

interface ChapterRow {
  readonly frontier: string;
  /** Beyond it are no more events than workers have under way. */
  readonly settled: string;
  readonly first_position: string | null;
  readonly last_position: string;
  readonly received_from_us: string;
  readonly received_to_us: string;
}

// The nearest chapter first, and then more and more at once: most pages are full by then.
const growth = 4;
const mostAtOnce = 4096;

/**
 * Those of the positions from `low` to `high` that can hold events of the times that the filter asks for, in order. What
 * is in a chapter, or in the part of one that has begun, is settled, and its times bound those of all of its events, whatever
 * clocks did. Above it anything can be. With many days it is worth it without a time, too: each stretch says which days it is on.
 */
export async function* stretchesOf(
  database: Statements,
  filter: EventFilter,
  low: bigint,
  high: bigint,
  descending: boolean,
  manyDays: boolean,
): AsyncGenerator<Stretch> {
  const { receivedFromUs, receivedToUs, happenedFromUs, happenedToUs } = filter;
  const days = { receivedFromUs: dayOf(receivedFromUs), receivedToUs: dayAfter(receivedToUs) };
  const anyTime = [receivedFromUs, receivedToUs, happenedFromUs, happenedToUs].every((us) => us === undefined);
  if (anyTime && !manyDays) {
    yield { low, high, ...days };
    return;
  }
  let bounds = { low, high };
  let tailShown = false;
  let atOnce = 1;
  for (;;) {
    const rows = await readChapters(database, filter, bounds, descending, atOnce);
    const frontier = BigInt(rows[0]?.frontier ?? 0);
    const times =
      BigInt(rows[0]?.settled ?? 0) - frontier < shortStretch ? { ...days, ...exactly(days, filter) } : days;
    const tail = { low: frontier < low ? low : frontier + 1n, high, ...times };
    if (descending && !tailShown && tail.low <= high) yield tail;
    tailShown = true;
    const chapters = rows.filter(({ first_position }) => first_position !== null);
    for (const { low: from, high: to, ...received } of joined(chapters.map(stretchOf), descending)) {
      // What has begun may have grown since the look before, and been in it with its first part.
      const stretch = {
        low: from < bounds.low ? bounds.low : from,
        high: to > bounds.high ? bounds.high : to,
        ...received,
      };
      yield to - from < shortStretch ? { ...stretch, ...exactly(received, filter) } : stretch;
    }
    const last = chapters.at(-1);
    if (chapters.length < atOnce || last === undefined) {
      if (!descending && tail.low <= high) yield tail;
      return;
    }
    bounds = descending
      ? { low, high: BigInt(last.first_position ?? 0) - 1n }
      : { low: BigInt(last.last_position) + 1n, high };
    atOnce = Math.min(atOnce * growth, mostAtOnce);
  }
}

// What is not of the right time is passed over within the index, which is fast, but does not ask for the time.
const shortStretch = 100_000n;

function exactly(
  { receivedFromUs, receivedToUs }: Pick<Stretch, 'receivedFromUs' | 'receivedToUs'>,
  { receivedFromUs: fromUs, receivedToUs: toUs, happenedFromUs, happenedToUs }: EventFilter,
) {
  return {
    receivedFromUs: most(receivedFromUs, fromUs ?? receivedFromUs),
    receivedToUs: least(receivedToUs, toUs ?? receivedToUs),
    happenedFromUs,
    happenedToUs,
  };
}

function readChapters(
  database: Statements,
  { receivedFromUs, receivedToUs, happenedFromUs, happenedToUs }: EventFilter,
  { low, high }: { readonly low: bigint; readonly high: bigint },
  descending: boolean,
  atOnce: number,
): Promise<ChapterRow[]> {
  const { bind, values } = bindings();
  const direction = descending ? 'desc' : 'asc';
  const conditions = [
    `last_position >= ${bind(low)}`,
    `first_position <= ${bind(high)}`,
    // Without events it has no times.
    'received_to is not null',
    ...overlap('received', receivedFromUs, receivedToUs, bind),
    ...overlap('happened', happenedFromUs, happenedToUs, bind),
  ].join(' and ');
  return database.query<ChapterRow>(
    `with whole as (
       select coalesce(max(last_position), 0) as frontier from chapters
     ), begun as (
       select w.frontier + 1 as first_position, r.position as last_position,
              r.received_from, r.received_to, r.happened_from, r.happened_to
       from rollup r, whole w where r.position > w.frontier
     ), fitting as (
       (select first_position, last_position, received_from, received_to from chapters where ${conditions}
        order by first_position ${direction} limit ${bind(atOnce)})
       union all
       select first_position, last_position, received_from, received_to from begun where ${conditions}
     )
     select f.frontier, f.settled, c.*
     from (
       select coalesce((select last_position from begun), w.frontier) as frontier, (select position from watermark) as settled
       from whole w
     ) f left join (
       select first_position, last_position,
              (extract(epoch from received_from) * 1000000)::bigint as received_from_us,
              (extract(epoch from received_to) * 1000000)::bigint as received_to_us
       from fitting order by first_position ${direction} limit ${bind(atOnce)}
     ) c on true
     order by first_position ${direction}`,
    values,
    { kept: true },
  );
}

function overlap(times: string, fromUs: bigint | undefined, toUs: bigint | undefined, bind: Bind): string[] {
  return [...within(`${times}_to`, fromUs, undefined, bind), ...within(`${times}_from`, undefined, toUs, bind)];
}

function stretchOf({ first_position, last_position, received_from_us, received_to_us }: ChapterRow): Stretch {
  return {
    low: BigInt(first_position ?? 0),
    high: BigInt(last_position),
    receivedFromUs: BigInt(received_from_us),
    receivedToUs: BigInt(received_to_us) + 1n,
  };
}

/** Chapters that follow each other make one stretch. */
function joined(chapters: readonly Stretch[], descending: boolean): Stretch[] {
  const stretches: Stretch[] = [];
  for (const next of chapters) {
    const last = stretches.at(-1);
    const adjacent = last !== undefined && (descending ? next.high + 1n === last.low : last.high + 1n === next.low);
    if (!adjacent) stretches.push(next);
    else stretches[stretches.length - 1] = spanOf(last, next);
  }
  return stretches;
}

function spanOf(one: Stretch, other: Stretch): Stretch {
  return {
    low: least(one.low, other.low) ?? 0n,
    high: most(one.high, other.high) ?? 0n,
    receivedFromUs: least(one.receivedFromUs, other.receivedFromUs),
    receivedToUs: most(one.receivedToUs, other.receivedToUs),
  };
}

type Maybe = bigint | undefined;
const least = (one: Maybe, other: Maybe) =>
  one === undefined || other === undefined ? undefined : one < other ? one : other;
const most = (one: Maybe, other: Maybe) =>
  one === undefined || other === undefined ? undefined : one > other ? one : other;

const dayUs = 86_400_000_000n;

/** The beginning of the UTC day: a partition begins there, so that no event has to be looked at to see that it is out. */
function dayOf(us: Maybe): Maybe {
  return us === undefined ? undefined : us - (((us % dayUs) + dayUs) % dayUs);
}

function dayAfter(us: Maybe): Maybe {
  const begin = dayOf(us);
  return begin === undefined || begin === us ? begin : begin + dayUs;
}
