import type { Difference } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Statements } from '../sql/database.js';
import { difference, maxNamed } from './differences.js';
import { rowMark } from './rows.js';

/**
 * Every row of `events` has its key, and every key its row, or that was removed: what was is known in sums. A key outlives
 * its event. Of a day whose partition somebody dropped by hand nothing is known, and nothing expected.
 */
export async function compareEvents(snapshot: Statements, keys: bigint, keyMark: bigint): Promise<Difference[]> {
  const [all] = await snapshot.query<{ n: string; mark: string }>(`
    select present.n + gone.n as n, present.mark # gone.mark as mark
    from (select count(*) as n, coalesce(bit_xor(${rowMark}), 0) as mark from events) present, (
      select coalesce(sum(row_count), 0) as n, coalesce(bit_xor(mark_xor), 0) as mark from removed where kind = 'events'
    ) gone`);
  if (all !== undefined && BigInt(all.n) === keys && BigInt(all.mark) === keyMark) return [];

  const differences: Difference[] = [];
  for (const { day, keys: expected, events: found, named } of await snapshot.query<DayRow>(selectDifferingDays)) {
    const counts = { expected: BigInt(expected), found: BigInt(found) };
    if (!named) {
      const message = `Events of ${day} do not add up with their keys and with what was removed on purpose.`;
      differences.push(difference('missing_events', counts, message));
      continue;
    }
    const [row] = await snapshot.query<UnpairedRow>(selectUnpaired, [day]);
    if (row?.missing) {
      const positions = row.missing.map(BigInt);
      const message = `Events of ${day} have a key but no row, though their day is kept.`;
      differences.push(difference('missing_events', { ...counts, positions }, message));
    }
    if (row?.strays) {
      const positions = row.strays.map(BigInt);
      const message = `Events of ${day} have a row but no key of the same position and time.`;
      differences.push(difference('events_without_key', { ...counts, positions }, message));
    }
  }
  return differences;
}

type DayRow = { readonly day: string; readonly keys: string; readonly events: string; readonly named: boolean };

const marksByDay = (table: string) => `
  select day, sum(n) as n, bit_xor(mark) as mark, bool_or(removed) as removed
  from (
    select (date_bin('1 day', received_at, timestamptz 'epoch') at time zone 'UTC')::date as day,
           count(*) as n, bit_xor(${rowMark}) as mark, false as removed
    from ${table} group by 1
    union all
    select day, row_count, mark_xor, row_count > 0 from removed where kind = '${table}'
  ) both_of_them group by day`;

// Where rows were removed, nobody can say which of the others are missing.
const selectDifferingDays = `
  with keys as (${marksByDay('event_keys')}), kept as (${marksByDay('events')})
  select coalesce(k.day, e.day)::text as day, coalesce(k.n, 0) as keys, coalesce(e.n, 0) as events,
         not coalesce(k.removed, false) and not coalesce(e.removed, false) as named
  from keys k full join kept e on e.day = k.day
  where (coalesce(k.n, 0), coalesce(k.mark, 0)) <> (coalesce(e.n, 0), coalesce(e.mark, 0))
    and (coalesce(e.n, 0) > 0 or to_regclass('events_' || to_char(k.day, 'YYYYMMDD')) is not null)
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
