import { addToPruned, utcDay } from './add-to-pruned.js';
import type { KeepDeps } from './keep-deps.js';
import { whenAlone } from './keeping-lock.js';

const blocksInStep = 128;
const leastBetweenWalks = '1 hour';

type Walk = { readonly next_block: string; readonly due: boolean; readonly blocks: string; readonly before: string };

/** A key outlives its event: as long as a day has a table, its keys stay. */
const readWalk = `
  select w.next_block, w.next_block > 0 or coalesce(o.before >= w.before + interval '${leastBetweenWalks}', true) as due,
         pg_relation_size('event_keys') / current_setting('block_size')::int as blocks, o.before::text
  from key_walk w cross join (
    select least(
      now() - $1 * interval '1 millisecond',
      (select min(to_date(substr(relname, 8), 'YYYYMMDD'))::timestamp at time zone 'UTC' from pg_class
       where relnamespace = current_schema()::regnamespace and relkind = 'r' and relname ~ '^events_\\d{8}$')
    ) as before
  ) o`;

const removeOld = `
  with gone as (
    delete from event_keys
    where ctid >= $1::tid and ctid < $2::tid and received_at < $3::timestamptz and position <= (select removable_up_to_v1())
    returning position, topic, event_id, received_at
  ), summed as (
    ${addToPruned(`
      select 'event_keys', topic, ${utcDay}, count(*), bit_xor(position),
             bit_xor(row_mark_v1(position, topic, event_id, received_at)), 0, 0, 0, max(position)
      from gone group by topic, ${utcDay}`)}
  )
  select count(*)::int as n from gone`;

/** Keys whose event went before them. After that their ids are new again. */
export async function removeKeys({ pool, retention, removed }: KeepDeps): Promise<boolean> {
  const { keysMs } = retention;
  if (keysMs === undefined) return false;
  let gone = 0;
  const more = await whenAlone(pool, async (client) => {
    const { rows: walks } = await client.query<Walk>(readWalk, [keysMs]);
    const walk = walks[0];
    if (walk === undefined || !walk.due) return false;
    const from = Number(walk.next_block);
    const to = from + blocksInStep;
    const { rows } = await client.query<{ n: number }>(removeOld, [`(${from},0)`, `(${to},0)`, walk.before]);
    gone = rows[0]?.n ?? 0;
    const ended = to >= Number(walk.blocks);
    await client.query('update key_walk set next_block = $1, before = case when $2 then $3 else before end', [
      ended ? 0 : to,
      from === 0,
      walk.before,
    ]);
    return !ended;
  });
  removed('event_keys', gone);
  return more ?? false;
}
