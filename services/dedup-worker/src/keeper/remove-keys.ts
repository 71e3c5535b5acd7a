import { addToPruned, utcDay } from './add-to-pruned.js';
import type { KeepDeps } from './keep-deps.js';
import { whenAlone } from './keeping-lock.js';

const blocksInStep = 128;
const leastBetweenWalks = '1 hour';

/**
 * A key outlives its event: as long as a day has a table, its keys stay. Which day is the first is asked in the statement
 * that removes, since a late event may bring an older one back.
 */
const removeOld = (keepMs: number) => `
  with walk as materialized (
    select w.next_block as first, w.next_block + ${blocksInStep} as next, o.before,
           w.next_block + ${blocksInStep} >= pg_relation_size('event_keys') / current_setting('block_size')::int as ended
    from key_walk w cross join (
      select least(
        now() - ${keepMs} * interval '1 millisecond',
        (select min(to_date(substr(relname, 8), 'YYYYMMDD'))::timestamp at time zone 'UTC' from pg_class
         where relnamespace = current_schema()::regnamespace and relkind = 'r' and relname ~ '^events_\\d{8}$')
      ) as before
    ) o
    where w.next_block > 0 or coalesce(o.before >= w.before + interval '${leastBetweenWalks}', true)
  ), gone as (
    delete from event_keys
    where ctid >= (select format('(%s,0)', first)::tid from walk) and ctid < (select format('(%s,0)', next)::tid from walk)
      and received_at < (select before from walk) and position <= (select removable_up_to_v1())
    returning position, topic, event_id, received_at
  ), summed as (
    ${addToPruned(`
      select 'event_keys', topic, ${utcDay}, count(*), bit_xor(position),
             bit_xor(row_mark_v1(position, topic, event_id, received_at)), 0, 0, 0, max(position)
      from gone group by topic, ${utcDay}`)}
  ), walked as (
    update key_walk k set next_block = case when w.ended then 0 else w.next end,
      before = case when w.first = 0 then w.before else k.before end
    from walk w
  )
  select (select count(*)::int from gone) as n, exists (select from walk where not ended) as more`;

/** Keys whose event went before them. After that their ids are new again. */
export async function removeKeys({ pool, retention, removed }: KeepDeps): Promise<boolean> {
  const { keysMs } = retention;
  if (keysMs === undefined) return false;
  const step = (await whenAlone<{ n: number; more: boolean }>(pool, [removeOld(keysMs)]))?.[0];
  removed('event_keys', step?.n ?? 0);
  return step?.more ?? false;
}
