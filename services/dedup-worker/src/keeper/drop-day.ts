import type { Pool } from 'pg';
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
  try {
    return await takeStep(deps);
  } catch (error) {
    // Nothing is read under the lock: another worker has dropped the table meanwhile.
    if (among(error, notThere)) return true;
    throw error;
  }
}

async function takeStep(deps: KeepDeps): Promise<boolean> {
  const { pool } = deps;
  // Before the watermark is read: what is given out later came later, so it is of no day that is too old.
  const givenOut = deps.retention.eventsMs === undefined ? undefined : await deps.givenOut();
  const leaving = (await findLeaving(pool)) ?? (await adoptDay(deps)) ?? (await chooseDay(deps, givenOut));
  if (leaving === undefined) return false;
  if (leaving.state === 'gone') return await endTable(deps, leaving);
  if (leaving.state === 'attached' && !(await isTooOld(deps, leaving.day))) return await letStay(pool, leaving);
  const summed = await sumUp(pool, leaving);
  if (summed !== 0) return summed !== undefined;
  if (leaving.state === 'pending') return await detach(pool, leaving, 'finalize');
  // Asked again: more of the day may have come since it was chosen.
  if (!(await isComplete(pool, leaving, givenOut))) return await letStay(pool, leaving);
  return await detach(pool, leaving, 'concurrently');
}

interface Leaving {
  readonly day: string;
  readonly name: string;
  readonly state: 'attached' | 'pending' | 'gone';
}

async function findLeaving(pool: Pool): Promise<Leaving | undefined> {
  const { rows } = await pool.query<Leaving>(`
    select l.day::text as day, n.name,
           case when i.inhrelid is null then 'gone' when i.inhdetachpending then 'pending' else 'attached' end as state
    from leaving l
    cross join lateral (select 'events_' || to_char(l.day, 'YYYYMMDD') as name) n
    left join pg_inherits i on i.inhrelid = to_regclass(n.name) and i.inhparent = 'events'::regclass`);
  return rows[0];
}

const tooOldDay = (keepMs: number) => `day + 1 <= (now() - ${keepMs} * interval '1 millisecond') at time zone 'UTC'`;

async function isTooOld({ pool, retention: { eventsMs } }: KeepDeps, day: string): Promise<boolean> {
  if (eventsMs === undefined) return false;
  const text = `select ${tooOldDay(eventsMs)} as old from (select $1::date as day) d`;
  const { rows } = await pool.query<{ old: boolean }>(text, [day]);
  return rows[0]?.old === true;
}

// Whether a statement still finds what was read before it.
const isStill = (state: 'attached' | 'gone', { day, name }: Leaving) => `
  l.day = '${day}' and ${state === 'attached' ? '' : 'not'} exists (
    select from pg_inherits i where i.inhrelid = to_regclass('${name}') and i.inhparent = 'events'::regclass
      ${state === 'attached' ? 'and not i.inhdetachpending' : ''}
  )`;

async function letStay(pool: Pool, leaving: Leaving): Promise<false> {
  await whenAlone(pool, [`delete from leaving l where ${isStill('attached', leaving)}`]);
  return false;
}

/** A day that was let stay when its detaching had begun already: by a worker whose setting was another, or by hand. */
async function adoptDay({ pool, retention: { eventsMs } }: KeepDeps): Promise<Leaving | undefined> {
  if (eventsMs === undefined) return undefined;
  // Without a watermark this is a database that is being restored, and its days are yet to be attached.
  await whenAlone(pool, [
    `insert into leaving (day)
     select day from watermark, pg_class c
     left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = 'events'::regclass
     cross join lateral (select to_date(substr(relname, 8), 'YYYYMMDD') as day) d
     where relnamespace = current_schema()::regnamespace and relkind = 'r' and relname ~ '^events_\\d{8}$'
       and coalesce(inhdetachpending, true) and ${tooOldDay(eventsMs)}
     order by day limit 1
     on conflict do nothing`,
  ]);
  return await findLeaving(pool);
}

async function chooseDay(
  { pool, retention: { eventsMs } }: KeepDeps,
  givenOut: bigint | undefined,
): Promise<Leaving | undefined> {
  if (eventsMs === undefined) return undefined;
  const { rows } = await pool.query<{ name: string; day: string }>(
    `select relname as name, day::text as day
     from pg_inherits join pg_class on oid = inhrelid
     cross join lateral (select to_date(substr(relname, 8), 'YYYYMMDD') as day) d
     where inhparent = 'events'::regclass and relname ~ '^events_\\d{8}$' and ${tooOldDay(eventsMs)}
     order by day`,
  );
  for (const { name, day } of rows) {
    if (!(await isComplete(pool, { day, name }, givenOut))) continue;
    await whenAlone(pool, [`insert into leaving (day) values ('${day}') on conflict do nothing`]);
    return await findLeaving(pool);
  }
  return undefined;
}

/**
 * Nothing of the day is above the bound, and nothing more of it is to come: the watermark has reached a later day, or the
 * last message that the stream has given out, as the broker says it now. What is known of it here may be long past.
 */
async function isComplete(
  pool: Pool,
  { day, name }: Pick<Leaving, 'day' | 'name'>,
  givenOut: bigint | undefined,
): Promise<boolean> {
  const { rows } = await pool.query<{ complete: boolean }>(
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
 * Sums the next rows up, by position; returns how many, undefined when somebody else is removing something. None comes any
 * more below one that is summed up, and none changes, but by whoever erases: that knows of these sums.
 */
async function sumUp(pool: Pool, { day, name }: Leaving): Promise<number | undefined> {
  const rows = await whenAlone<{ n: number }>(pool, [
    `with next as (
       select * from ${name}
       where position > (select last_position from leaving where day = '${day}') and position <= removable_up_to_v1()
       order by position limit ${rowsInStep}
     ), sums as (select ${rowSums} from next), added as (
       update leaving l set row_count = l.row_count + s.n, position_xor = l.position_xor # s.positions,
         mark_xor = l.mark_xor # s.marks, last_position = greatest(l.last_position, s.last)
       from sums s where s.n > 0
     )
     select n::int from sums where exists (select from leaving where day = '${day}')`,
  ]);
  return rows?.[0]?.n;
}

const [lockTimeout, statementTimeout] = ['55P03', '57014'];
const [notInThatState, notThere] = ['55000', '42P01'];
const among = (error: unknown, ...states: readonly string[]) => states.includes(sqlStateOf(error) ?? '');

/** Not within a transaction. A worker that dies in here leaves the partition pending: it is in nobody's sight then. */
async function detach(pool: Pool, { day, name, state }: Leaving, how: 'concurrently' | 'finalize'): Promise<true> {
  try {
    await pool.query(`alter table events detach partition ${name} ${how}`);
    return true;
  } catch (error) {
    // Another worker was faster.
    if (among(error, notInThatState, notThere) && (await findLeaving(pool))?.state !== state) return true;
    if (!among(error, lockTimeout, statementTimeout)) throw error;
    throw new Error(`the events of ${day} wait to be dropped: a transaction that may read them is still open`, {
      cause: error,
    });
  }
}

/** Drops the table and moves the sums, unless there is something left to do before that. True when more waits to be done. */
async function endTable({ pool, removed }: KeepDeps, leaving: Leaving): Promise<boolean> {
  const { name } = leaving;
  const { rows: tables } = await pool.query<{ there: boolean }>('select to_regclass($1) is not null as there', [name]);
  // It may have been dropped by hand meanwhile.
  if (tables[0]?.there === true) {
    const { rows: bounds } = await pool.query<{ settled: boolean }>(
      `select coalesce(max(position), 0) <= removable_up_to_v1() as settled from ${name}`,
    );
    if (bounds[0]?.settled !== true) return await takeBack(pool, leaving);
    const summed = await sumUp(pool, leaving);
    if (summed !== 0) return summed !== undefined;
  }
  const statements = [`set local statement_timeout = ${countingMs}`, dropSummedUp(leaving), moveSums(leaving)];
  const rows = await whenAlone<{ n: string }>(pool, statements, countingMs);
  removed('events', Number(rows?.[0]?.n ?? 0));
  return rows !== undefined;
}

/** Sums that do not have each row of the table are begun anew. Counting a large day takes longer than statements may. */
const dropSummedUp = (leaving: Leaving) => `
  do $$ begin
    if exists (select from leaving l where ${isStill('gone', leaving)}) and to_regclass('${leaving.name}') is not null then
      lock table ${leaving.name} in access exclusive mode;
      if (select count(*) from ${leaving.name}) = (select row_count from leaving) then
        drop table ${leaving.name};
      else
        update leaving set row_count = 0, position_xor = 0, mark_xor = 0, last_position = 0;
      end if;
    end if;
  end $$`;

const moveSums = (leaving: Leaving) => `
  with gone as (
    delete from leaving l where ${isStill('gone', leaving)} and to_regclass('${leaving.name}') is null returning *
  ), summed as (
    ${addToPruned(`
      select 'events', '', day, row_count, position_xor, mark_xor, 0, 0, 0, last_position from gone`)}
  )
  select row_count as n from gone`;

/**
 * Events came while their day was being detached. They are not settled, and what waits before them in the stream may be of
 * the same day: nothing of it can be stored, and nothing more settled, before the day is there again. An audit must not
 * see it come back, so nobody may be at `events`; that is tried for a moment only, since whoever comes waits behind it.
 */
async function takeBack(pool: Pool, leaving: Leaving): Promise<true> {
  const { day, name } = leaving;
  try {
    await whenAlone(pool, [
      `set local lock_timeout = ${takeBackMs}`,
      // The constraint that detaching left says that all rows are of this day: they are not looked at.
      `do $$ begin
        if exists (select from leaving l where ${isStill('gone', leaving)}) then
          lock table events in access exclusive mode;
          execute format('alter table events attach partition %I for values from (%L) to (%L)',
            '${name}', '${day} 00:00:00+00', (date '${day}' + 1)::text || ' 00:00:00+00');
          delete from leaving;
        end if;
      end $$`,
    ]);
  } catch (error) {
    // Somebody reads; the next step tries again.
    if (!among(error, lockTimeout)) throw error;
  }
  return true;
}
