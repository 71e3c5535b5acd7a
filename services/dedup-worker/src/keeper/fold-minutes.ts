import type { KeepDeps } from './keep-deps.js';
import { whenAlone } from './keeping-lock.js';

const rowsInStep = 5_000;

// Rows that are being counted up at this moment are left for the next time: they are locked in another order.
const fold = (keepMs: number) => `
  with old as (
    select minute, topic, shard from minute_counters
    where minute > '-infinity' and minute < date_trunc('day', now() - ${keepMs} * interval '1 millisecond', 'UTC')
    order by minute limit ${rowsInStep} for update skip locked
  ), gone as (
    delete from minute_counters m using old
    where m.minute = old.minute and m.topic = old.topic and m.shard = old.shard
    returning m.*
  ), folded as (
    insert into minute_counters as m
      (minute, topic, shard, unique_count, duplicate_count, conflict_count, dead_letter_count, redriven_count)
    select '-infinity', topic, 0, sum(unique_count), sum(duplicate_count), sum(conflict_count), sum(dead_letter_count),
           sum(redriven_count)
    from gone group by topic
    on conflict (minute, topic, shard) do update set
      unique_count = m.unique_count + excluded.unique_count,
      duplicate_count = m.duplicate_count + excluded.duplicate_count,
      conflict_count = m.conflict_count + excluded.conflict_count,
      dead_letter_count = m.dead_letter_count + excluded.dead_letter_count,
      redriven_count = m.redriven_count + excluded.redriven_count
  )
  select count(*)::int as n from gone`;

/** Counts of minutes long past become one row for each topic: the sums stay, and say the same as the counters by topic. */
export async function foldMinutes({ pool, retention, removed }: KeepDeps): Promise<boolean> {
  const { seriesMs } = retention;
  if (seriesMs === undefined) return false;
  const folded = (await whenAlone<{ n: number }>(pool, [fold(seriesMs)]))?.[0]?.n ?? 0;
  removed('minute_counters', folded);
  return folded === rowsInStep;
}
