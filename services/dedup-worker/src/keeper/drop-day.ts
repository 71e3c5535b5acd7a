import type { Pool, PoolClient } from 'pg';
import { sqlStateOf } from '../postgres-errors.js';
import { addToPruned } from './add-to-pruned.js';
import type { KeepDeps } from './keep-deps.js';
import { whenAlone } from './keeping-lock.js';

const rowsInStep = 20_000;
const countingMs = 600_000;
const takeBackMs = 50;

/**
 * Drops the oldest day of `events` that is too old, a step at a time; each step finds out where the one before, or a worker
 * that died, left it. First the rows are summed up. Then the partition is detached, which holds up nobody: it waits for
 * those who still read it, and others go on. Then its table goes. From the moment in which a snapshot does not see the rows
 * any more, it counts their sums (the view `removed`).
 */
export async function dropDay(deps: KeepDeps): Promise<boolean> {
  const { pool } = deps;
  // Before the watermark is read: what is given out later came later, so it is of no day that is too old.
  const givenOut = deps.retention.eventsMs === undefined ? undefined : await deps.givenOut();
  const found = await whenAlone(pool, async (client) => {
    const leaving =
      (await findLeaving(client)) ?? (await adoptDay(client, deps)) ?? (await chooseDay(client, deps, givenOut));
    if (leaving === undefined) return undefined;
    if (leaving.state === 'gone') return { leaving, ...(await endTable(client, leaving)) };
    if (leaving.state === 'attached' && !(await isTooOld(client, deps, leaving.day))) return await letStay(client);
    if ((await sumUp(client, leaving)) > 0) return { leaving, next: 'step' } as const;
    if (leaving.state === 'pending') return { leaving, next: 'finalize' } as const;
    // Asked again: more of the day may have come since it was chosen.
    if (!(await isComplete(client, leaving, givenOut))) return await letStay(client);
    return { leaving, next: 'concurrently' } as const;
  });
  if (found === undefined) return false;
  if ('dropped' in found) deps.removed('events', found.dropped);
  else if (found.next === 'take back') await takeBack(pool, found.leaving);
  else if (found.next !== 'step') await detach(pool, found.leaving, found.next);
  return true;
}

interface Leaving {
  readonly day: string;
  readonly name: string;
  readonly state: 'attached' | 'pending' | 'gone';
}

async function findLeaving(client: Pool | PoolClient): Promise<Leaving | undefined> {
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

async function letStay(client: PoolClient): Promise<undefined> {
  await client.query('delete from leaving');
}

/** A day that was let stay when its detaching had begun already: by a worker whose setting was another, or by hand. */
async function adoptDay(client: PoolClient, { retention }: KeepDeps): Promise<Leaving | undefined> {
  if (retention.eventsMs === undefined) return undefined;
  // Without a watermark this is a database that is being restored, and its days are yet to be attached.
  await client.query(
    `insert into leaving (day)
     select day from watermark, pg_class c
     left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = 'events'::regclass
     cross join lateral (select to_date(substr(relname, 8), 'YYYYMMDD') as day) d
     where relnamespace = current_schema()::regnamespace and relkind = 'r' and relname ~ '^events_\\d{8}$'
       and coalesce(inhdetachpending, true) and ${tooOldDay}
     order by day limit 1`,
    [retention.eventsMs],
  );
  return await findLeaving(client);
}

async function chooseDay(
  client: PoolClient,
  { retention }: KeepDeps,
  givenOut: bigint | undefined,
): Promise<Leaving | undefined> {
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
    const leaving = { day, name, state: 'attached' } as const;
    if (!(await isComplete(client, leaving, givenOut))) continue;
    await client.query('insert into leaving (day) values ($1)', [day]);
    return leaving;
  }
  return undefined;
}

/**
 * Nothing of the day is above the bound, and nothing more of it is to come: the watermark has reached a later day, or the
 * last message that the stream has given out, as the broker says it now. What is known of it here may be long past.
 */
async function isComplete(client: PoolClient, { day, name }: Leaving, givenOut: bigint | undefined): Promise<boolean> {
  const { rows } = await client.query<{ complete: boolean }>(
    `select coalesce((select max(position) from ${name}), 0) <= removable_up_to_v1()
        and (w.position >= greatest(w.known, $2::bigint) and $2 is not null or exists (
          select from events e where e.position <= w.position and e.received_at >= ($1::date + 1)::timestamp at time zone 'UTC'
        )) as complete
     from watermark w`,
    [day, givenOut?.toString()],
  );
  return rows[0]?.complete === true;
}

const rowSums = `
  count(*) as n, coalesce(bit_xor(position), 0) as positions,
  coalesce(bit_xor(row_mark_v1(position, topic, event_id, received_at)), 0) as marks, coalesce(max(position), 0) as last`;

/**
 * Sums the next rows up, by position; returns how many. None comes any more below one that is summed up, and none changes,
 * but by whoever erases: that knows of these sums.
 */
async function sumUp(client: PoolClient, { name }: Leaving): Promise<number> {
  const { rows } = await client.query<{ n: number }>(`
    with next as (
      select * from ${name} where position > (select last_position from leaving) and position <= removable_up_to_v1()
      order by position limit ${rowsInStep}
    ), sums as (select ${rowSums} from next), added as (
      update leaving l set row_count = l.row_count + s.n, position_xor = l.position_xor # s.positions,
        mark_xor = l.mark_xor # s.marks, last_position = greatest(l.last_position, s.last)
      from sums s where s.n > 0
    )
    select n::int from sums`);
  return rows[0]?.n ?? 0;
}

const [lockTimeout, statementTimeout] = ['55P03', '57014'];
const [notInThatState, notThere] = ['55000', '42P01'];
const among = (error: unknown, ...states: readonly string[]) => states.includes(sqlStateOf(error) ?? '');

/** Not within a transaction. A worker that dies in here leaves the partition pending: it is in nobody's sight then. */
async function detach(pool: Pool, { day, name, state }: Leaving, how: 'concurrently' | 'finalize'): Promise<void> {
  try {
    await pool.query(`alter table events detach partition ${name} ${how}`);
  } catch (error) {
    // Another worker was faster.
    if (among(error, notInThatState, notThere) && (await findLeaving(pool))?.state !== state) return;
    if (!among(error, lockTimeout, statementTimeout)) throw error;
    throw new Error(`the events of ${day} wait to be dropped: a transaction that may read them is still open`, {
      cause: error,
    });
  }
}

type TableEnd = { readonly dropped: number } | { readonly next: 'step' | 'take back' };

async function endTable(client: PoolClient, leaving: Leaving): Promise<TableEnd> {
  const { name } = leaving;
  const { rows: tables } = await client.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    name,
  ]);
  // It may have been dropped by hand meanwhile.
  if (tables[0]?.there === true) {
    const { rows: bounds } = await client.query<{ settled: boolean }>(
      `select coalesce(max(position), 0) <= removable_up_to_v1() as settled from ${name}`,
    );
    if (bounds[0]?.settled !== true) return { next: 'take back' };
    if ((await sumUp(client, leaving)) > 0) return { next: 'step' };
    await client.query(`lock table ${name} in access exclusive mode`);
    if (!(await isSummedUp(client, name))) {
      await client.query('update leaving set row_count = 0, position_xor = 0, mark_xor = 0, last_position = 0');
      return { next: 'step' };
    }
    await client.query(`drop table ${name}`);
  }
  const { rows } = await client.query<{ n: string }>(`
    with gone as (delete from leaving returning *), summed as (
      ${addToPruned(`
        select 'events', '', day, row_count, position_xor, mark_xor, 0, 0, 0, last_position from gone`)}
    )
    select row_count as n from gone`);
  return { dropped: Number(rows[0]?.n ?? 0) };
}

/** Whether the sums have each row of the table. Counting a large day takes longer than other statements may. */
async function isSummedUp(client: PoolClient, name: string): Promise<boolean> {
  await client.query(`set local statement_timeout = ${countingMs}`);
  const count = {
    text: `select (select count(*) from ${name}) = row_count as all from leaving`,
    query_timeout: countingMs,
  };
  const { rows } = await client.query<{ all: boolean }>(count);
  return rows[0]?.all === true;
}

/**
 * Events came while their day was being detached. They are not settled, and what waits before them in the stream may be of
 * the same day: nothing of it can be stored, and nothing more settled, before the day is there again. An audit must not
 * see it come back, so nobody may be at `events`; that is tried for a moment only, since whoever comes waits behind it.
 */
async function takeBack(pool: Pool, { day, name }: Leaving): Promise<void> {
  try {
    await whenAlone(pool, async (client) => {
      const leaving = await findLeaving(client);
      if (leaving?.day !== day || leaving.state !== 'gone') return;
      await client.query(`set local lock_timeout = ${takeBackMs}`);
      await client.query('lock table events in access exclusive mode');
      // The constraint that detaching left says that all rows are of this day: they are not looked at.
      await client.query(`
        do $$ begin
          execute format('alter table events attach partition %I for values from (%L) to (%L)',
            '${name}', '${day} 00:00:00+00', (date '${day}' + 1)::text || ' 00:00:00+00');
        end $$`);
      await client.query('delete from leaving');
    });
  } catch (error) {
    // Somebody reads; the next step tries again.
    if (!among(error, lockTimeout)) throw error;
  }
}
