import type { Difference } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Statements } from '../sql/database.js';
import { difference, maxNamed } from './differences.js';
import { rowMark } from './rows.js';

/**
 * Every row of `events` has its key, and every key whose day is still kept has its row. A key outlives its event: the
 * days that retention has dropped have no partition, and their keys no rows.
 */
export async function compareEvents(snapshot: Statements, keys: bigint, keyMark: bigint): Promise<Difference[]> {
  const [all] = await snapshot.query<{ n: string; mark: string }>(
    `select count(*) as n, coalesce(bit_xor(${rowMark}), 0) as mark from events`,
  );
  if (all !== undefined && BigInt(all.n) === keys && BigInt(all.mark) === keyMark) return [];

  const differences: Difference[] = [];
  for (const { day, keys: expected, events: found } of await snapshot.query<DayRow>(selectDifferingDays)) {
    const counts = { expected: BigInt(expected), found: BigInt(found) };
    const [row] = await snapshot.query<UnpairedRow>(selectUnpaired, [day]);
    const date = day.slice(0, 10);
    if (row?.missing) {
      const positions = row.missing.map(BigInt);
      const message = `Events of ${date} have a key but no row, though their day is kept.`;
      differences.push(difference('missing_events', { ...counts, positions }, message));
    }
    if (row?.strays) {
      const positions = row.strays.map(BigInt);
      const message = `Events of ${date} have a row but no key of the same position and time.`;
      differences.push(difference('events_without_key', { ...counts, positions }, message));
    }
  }
  return differences;
}

const dayOf = (column: string) => `date_bin('1 day', ${column}, timestamptz 'epoch')`;

type DayRow = { readonly day: string; readonly keys: string; readonly events: string };

const selectDifferingDays = `
  with keys as (
    select ${dayOf('received_at')} as day, count(*) as n, bit_xor(${rowMark}) as mark from event_keys group by 1
  ), kept as (
    select ${dayOf('received_at')} as day, count(*) as n, bit_xor(${rowMark}) as mark from events group by 1
  )
  select (coalesce(k.day, e.day) at time zone 'UTC')::text as day, coalesce(k.n, 0) as keys, coalesce(e.n, 0) as events
  from keys k full join kept e on e.day = k.day
  where (k.n, k.mark) is distinct from (e.n, e.mark)
    and (e.n is not null or to_regclass('events_' || to_char(k.day at time zone 'UTC', 'YYYYMMDD')) is not null)
  order by 1 limit 10`;

type UnpairedRow = { readonly missing: string[] | null; readonly strays: string[] | null };

const marksOf = (table: string) => `
  select ${rowMark} as mark, position from ${table}
  where received_at >= $1::timestamp at time zone 'UTC'
    and received_at < ($1::timestamp + interval '1 day') at time zone 'UTC'`;

const selectUnpaired = `
  select (array_agg(k.position order by k.position) filter (where e.mark is null))[1:${maxNamed}] as missing,
         (array_agg(e.position order by e.position) filter (where k.mark is null))[1:${maxNamed}] as strays
  from (${marksOf('event_keys')}) k full join (${marksOf('events')}) e on e.mark = k.mark
  where k.mark is null or e.mark is null`;
