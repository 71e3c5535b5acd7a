import { addToPruned, utcDay } from './add-to-pruned.js';
import type { KeepDeps } from './keep-deps.js';
import { whenAlone } from './keeping-lock.js';

const lettersInStep = 1_000;

// A message that never came is not waited for. When it comes all the same, the call that stores it knows from the sums that
// its dead letter has gone; the one that redrove it is known by its row, so that is settled first.
const tooOld = (keepMs: number) => `
  d.state <> 'open' and d.state_since < now() - ${keepMs} * interval '1 millisecond' and d.position <= (select removable_up_to_v1())
  and coalesce(d.redriven_position <= (select removable_up_to_v1()), true)
  and not exists (
    select from redrives r, watermark w
    where r.dead_letter = d.position
      and not (r.sent_at < now() - interval '1 day' and (r.position is null or r.position <= w.position))
  )`;

const findOne = (keepMs: number) => `select from dead_letters d where ${tooOld(keepMs)} limit 1`;

// Whoever sends one through again writes it down here first, and must not do so for one that is on its way out.
const keepFromRedriving = 'lock table redrives in share mode';

const removeOld = (keepMs: number) => `
  with old as (
    select d.position from dead_letters d where ${tooOld(keepMs)}
    order by d.state_since limit ${lettersInStep} for update skip locked
  ), gone as (
    delete from dead_letters d using old where d.position = old.position returning d.*
  ), summed as (
    ${addToPruned(`
      select 'dead_letters', '', ${utcDay}, count(*), bit_xor(position), 0, 0, 0,
             count(*) filter (where state = 'redriven'), max(position)
      from gone group by ${utcDay}`)}
  )
  select count(*)::int as n from gone`;

/** Those that were redriven or discarded long ago. One that is open is a copy that was acknowledged: it stays. */
export async function removeDeadLetters({ pool, retention, removed }: KeepDeps): Promise<boolean> {
  const { deadLettersMs } = retention;
  if (deadLettersMs === undefined) return false;
  const { rowCount } = await pool.query(findOne(deadLettersMs));
  if (rowCount === 0) return false;
  const rows = await whenAlone<{ n: number }>(pool, [keepFromRedriving, removeOld(deadLettersMs)]);
  const gone = rows?.[0]?.n ?? 0;
  removed('dead_letters', gone);
  return gone === lettersInStep;
}
