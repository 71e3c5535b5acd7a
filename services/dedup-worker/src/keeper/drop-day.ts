import type { Pool, PoolClient } from 'pg';
import { sqlStateOf } from '../postgres-errors.js';
import { addToPruned } from './add-to-pruned.js';
import type { KeepDeps } from './keep-deps.js';
import { whenAlone } from './keeping-lock.js';

const rowsInStep = 20_000;

/**
 * Drops the oldest day of `events` that is too old, a step at a time; each step finds out where the one before, or a worker
 * that died, left it. First the rows are summed up. Then the partition is detached, which holds up nobody: it waits for
 * those who still read it, and others go on. Then its table goes. From the moment in which a snapshot does not see the rows
 * any more, it counts their sums (the view `removed`).
 */
export async function dropDay(deps: KeepDeps): Promise<boolean> {
  const { pool } = deps;
  const found = await whenAlone(pool, async (client) => {
    const leaving = (await findLeaving(client)) ?? (await chooseDay(client, deps));
    if (leaving === undefined) return undefined;
    if (leaving.state === 'gone') return { leaving, dropped: await dropTable(client, leaving) };
    if (leaving.state === 'pending') return { leaving, next: 'finalize' } as const;
    if (!(await isTooOld(client, deps, leaving.day))) {
      await client.query('delete from leaving');
      return undefined;
    }
    const { rows } = await client.query<{ n: number }>(sumUp(leaving.name));
    return { leaving, next: rows[0]?.n === 0 ? 'concurrently' : 'sum' } as const;
  });
  if (found === undefined) return false;
  if ('dropped' in found) deps.removed('events', found.dropped);
  else if (found.next !== 'sum') await detach(pool, found.leaving, found.next);
  return true;
}

interface Leaving {
  readonly day: string;
  readonly name: string;
  readonly state: 'attached' | 'pending' | 'gone';
}

async function findLeaving(client: PoolClient): Promise<Leaving | undefined> {
  const { rows } = await client.query<Leaving>(`
    select l.day::text as day, n.name,
           case when i.inhrelid is null then 'gone' when i.inhdetachpending then 'pending' else 'attached' end as state
    from leaving l
    cross join lateral (select 'events_' || to_char(l.day, 'YYYYMMDD') as name) n
    left join pg_inherits i on i.inhrelid = to_regclass(n.name) and i.inhparent = 'events'::regclass`);
  return rows[0];
}

const tooOldDay = "day + 1 <= (now() - $1 * interval '1 millisecond') at time zone 'UTC'";

async function isTooOld(client: PoolClient, { retention }: KeepDeps, day: string): Promise<boolean> {
  if (retention.eventsMs === undefined) return false;
  const { rows } = await client.query<{ old: boolean }>(`select ${tooOldDay} as old from (select $2::date as day) d`, [
    retention.eventsMs,
    day,
  ]);
  return rows[0]?.old === true;
}

/**
 * The oldest day that may go: nothing of it is above the bound, and nothing more of it is to come, since the watermark has
 * reached a later day, or the last message.
 */
async function chooseDay(client: PoolClient, { retention }: KeepDeps): Promise<Leaving | undefined> {
  if (retention.eventsMs === undefined) return undefined;
  const { rows } = await client.query<{ name: string; day: string }>(
    `select relname as name, day::text as day
     from pg_inherits join pg_class on oid = inhrelid
     cross join lateral (select to_date(substr(relname, 8), 'YYYYMMDD') as day) d
     where inhparent = 'events'::regclass and relname ~ '^events_\\d{8}$' and ${tooOldDay}
     order by day`,
    [retention.eventsMs],
  );
  for (const { name, day } of rows) {
    const { rows: ready } = await client.query<{ ready: boolean }>(
      `select coalesce((select max(position) from ${name}), 0) <= removable_up_to_v1()
          and (w.position >= w.known or exists (
            select from events e where e.position <= w.position and e.received_at >= ($1::date + 1)::timestamp at time zone 'UTC'
          )) as ready
       from watermark w`,
      [day],
    );
    if (ready[0]?.ready !== true) continue;
    await client.query('insert into leaving (day) values ($1)', [day]);
    return { day, name, state: 'attached' };
  }
  return undefined;
}

const rowSums = `
  count(*) as n, coalesce(bit_xor(position), 0) as positions,
  coalesce(bit_xor(row_mark_v1(position, topic, event_id, received_at)), 0) as marks, coalesce(max(position), 0) as last`;

/** The next rows, by position. None of them changes any more, but by whoever erases: that knows of these sums. */
const sumUp = (partition: string) => `
  with next as (
    select * from ${partition} where position > (select last_position from leaving) order by position limit ${rowsInStep}
  ), sums as (select ${rowSums} from next), added as (
    update leaving l set row_count = l.row_count + s.n, position_xor = l.position_xor # s.positions,
      mark_xor = l.mark_xor # s.marks, last_position = greatest(l.last_position, s.last)
    from sums s where s.n > 0
  )
  select n::int from sums`;

/** Not within a transaction. A worker that dies in here leaves the partition pending: it is in nobody's sight then. */
async function detach(pool: Pool, { day, name }: Leaving, how: 'concurrently' | 'finalize'): Promise<void> {
  try {
    await pool.query(`alter table events detach partition ${name} ${how}`);
  } catch (error) {
    const [lockTimeout, statementTimeout] = ['55P03', '57014'];
    if (![lockTimeout, statementTimeout].includes(sqlStateOf(error))) throw error;
    throw new Error(`the events of ${day} wait to be dropped: a transaction that may read them is still open`, {
      cause: error,
    });
  }
}

async function dropTable(client: PoolClient, { name }: Leaving): Promise<number> {
  const { rows: tables } = await client.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    name,
  ]);
  // It may have been dropped by hand meanwhile.
  if (tables[0]?.there === true) {
    await client.query(`lock table ${name} in access exclusive mode`);
    // What came late, to a day that was thought to be complete.
    while (((await client.query<{ n: number }>(sumUp(name))).rows[0]?.n ?? 0) > 0);
    await client.query(`drop table ${name}`);
  }
  const { rows } = await client.query<{ n: string }>(`
    with gone as (delete from leaving returning *), summed as (
      ${addToPruned(`
        select 'events', '', day, row_count, position_xor, mark_xor, 0, 0, 0, last_position from gone`)}
    )
    select row_count as n from gone`);
  return Number(rows[0]?.n ?? 0);
}
