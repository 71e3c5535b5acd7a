import { addToPruned, utcDay } from './add-to-pruned.js';
import type { KeepDeps } from './keep-deps.js';
import { whenAlone } from './keeping-lock.js';

const lowestInStep = 5_000;
const furtherInStep = 10_000;
const kinds = ['refused', 'tallies', 'replays'] as const;
type Kind = (typeof kinds)[number];

const countsOf = {
  refused: 'count(*), count(*) filter (where conflict)',
  tallies: 'sum(copies), 0',
  replays: '0, 0',
};

/**
 * From the lowest position on, since times rise with positions. They do not where a broker's clock was ahead for a while:
 * such rows stay, and hide those behind them that are old. So each step looks at a stretch further on as well, and the next
 * step at the one behind it. Deleted by an array of positions: a join might be planned as one with the whole table.
 */
const removeOld = (table: Kind, keepMs: number, after: string) => `
  with lowest as materialized (
    select position, received_at from ${table} where position <= (select removable_up_to_v1())
    order by position limit ${lowestInStep}
  ), further as materialized (
    select position, received_at from ${table}
    where position > greatest(${after}, (select max(position) from lowest)) and position <= (select removable_up_to_v1())
    order by position limit ${furtherInStep}
  ), gone as (
    delete from ${table} where position = any (array(
      select position from (select * from lowest union all select * from further) looked_at
      where received_at < now() - ${keepMs} * interval '1 millisecond'
    ))
    returning *
  ), summed as (
    ${addToPruned(`
      select '${table}', '', ${utcDay}, count(*), bit_xor(position), 0, ${countsOf[table]}, 0, max(position)
      from gone group by ${utcDay}`)}
  )
  select (select count(*)::int from gone) as n,
         (select case when count(*) = ${furtherInStep} then max(position) else 0 end from further) as reached`;

type Step = { readonly n: number; readonly reached: string };

/** Removes copies that repeated an event, tallies and replays. */
export function removesRefused(): (deps: KeepDeps) => Promise<boolean> {
  const reachedOf = new Map<Kind, string>();
  return async ({ pool, retention: { refusedMs }, removed }) => {
    if (refusedMs === undefined) return false;
    let more = false;
    for (const kind of kinds) {
      const rows = await whenAlone<Step>(pool, [removeOld(kind, refusedMs, reachedOf.get(kind) ?? '0')]);
      const step = rows?.[0];
      if (step === undefined) continue;
      reachedOf.set(kind, step.reached);
      removed(kind, step.n);
      if (step.n >= lowestInStep) more = true;
    }
    return more;
  };
}
