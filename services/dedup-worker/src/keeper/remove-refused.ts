import { addToPruned, utcDay } from './add-to-pruned.js';
import type { KeepDeps } from './keep-deps.js';
import { whenAlone } from './keeping-lock.js';

const rowsInStep = 5_000;
const kinds = ['refused', 'tallies', 'replays'] as const;

const countsOf = {
  refused: 'count(*), count(*) filter (where conflict)',
  tallies: 'sum(copies), 0',
  replays: '0, 0',
};

/**
 * From the lowest position on: times rise with positions, but for what a broker brought back, and that is waited for until
 * it comes first.
 */
const removeOld = (table: (typeof kinds)[number]) => `
  with lowest as (
    select position from ${table} where position <= (select removable_up_to_v1()) order by position limit ${rowsInStep}
  ), gone as (
    delete from ${table} t using lowest
    where t.position = lowest.position and t.received_at < now() - $1 * interval '1 millisecond'
    returning t.*
  ), summed as (
    ${addToPruned(`
      select '${table}', '', ${utcDay}, count(*), bit_xor(position), 0, ${countsOf[table]}, 0, max(position)
      from gone group by ${utcDay}`)}
  )
  select count(*)::int as n from gone`;

/** Copies that repeated an event, tallies and replays. */
export async function removeRefused({ pool, retention, removed }: KeepDeps): Promise<boolean> {
  const { refusedMs } = retention;
  if (refusedMs === undefined) return false;
  let more = false;
  for (const kind of kinds) {
    const found = await whenAlone(pool, async (client) => {
      const { rows } = await client.query<{ n: number }>(removeOld(kind), [refusedMs]);
      return rows[0]?.n ?? 0;
    });
    removed(kind, found ?? 0);
    if (found === rowsInStep) more = true;
  }
  return more;
}
