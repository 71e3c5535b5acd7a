import type { Statements } from '../sql/database.js';
import { requireNoneRedriven } from './redrives-under-way.js';
import { erasedCode, isTarget, parametersOf, type Target } from './target.js';

const rowsInStep = 2_000;

const bound = '(select removable_up_to_v1())';

/** The highest position of what there is to erase; 0 without any. */
export async function highestOf(statements: Statements, target: Target): Promise<bigint> {
  const highest = target.eventId === '' ? 'select max(position) from events where topic = $1' : keyPosition;
  const [row] = await statements.query<{ highest: string }>(
    `select greatest((${highest}),
       (select max(r.position) from refused r where r.conflict and r.payload is not null and ${isTarget('r')}),
       (select max(greatest(d.position, d.redriven_position)) from dead_letters d where d.code <> '${erasedCode}' and ${isTarget('d')}), 0) as highest`,
    parametersOf(target),
  );
  return BigInt(row?.highest ?? 0);
}

const keyPosition = `
  select e.position from event_keys k join events e on e.position = k.position and e.received_at = k.received_at
  where k.topic = $1 and k.event_id = $2`;

export interface Erased {
  readonly events: number;
  /** There may be more. */
  readonly more: boolean;
}

/**
 * Takes away what some of the rows carry, in a transaction with the sums of what goes. Keys stay, and the rows of refused
 * copies and dead letters with their counts.
 */
export async function eraseStep(transaction: Statements, target: Target): Promise<Erased> {
  // Whoever drops a day sums its rows up first: one at a time.
  await transaction.query('select pg_advisory_xact_lock(keeping_lock_key())');
  // A plan that reads whole partitions for a few rows would hold the lock for long.
  await transaction.query('set local enable_seqscan = off');
  await transaction.query('set local enable_hashjoin = off');
  await transaction.query('set local enable_mergejoin = off');
  const parameters = parametersOf(target);
  const one = async (statement: string) => (await transaction.query<{ n: number }>(statement, parameters))[0]?.n ?? 0;
  // Before all other rows, as who stores one that is redriven does: the other way round they would wait for each other.
  const letters = await transaction.query<{ position: string }>(lockLetters, parameters);
  const positions = letters.map(({ position }) => position);
  if (positions.length > 0) await requireNoneRedriven(transaction, positions);
  const events = await one(target.eventId === '' ? eraseTopic : eraseEvent);
  const conflicts = await one(blankConflicts);
  const [blanked] = await transaction.query<{ lost: number }>(blankLetters, [positions]);
  return {
    events: events + (blanked?.lost ?? 0),
    more: [events, conflicts, positions.length].some((n) => n === rowsInStep),
  };
}

// The sums of a day that is about to be dropped hold this row already, if it comes before where they have got to.
const eraseRows = (chosen: string) => `
  with chosen as materialized (${chosen}), gone as (
    delete from events e using chosen c where e.position = c.position and e.received_at = c.received_at
    returning e.position, (e.received_at at time zone 'UTC')::date as day,
      row_mark_v1(e.position, e.topic, e.event_id, e.received_at) as mark
  ), summed as (
    insert into pruned as p (kind, topic, day, row_count, position_xor, mark_xor, last_position)
    select 'events', '', day, count(*), bit_xor(position), bit_xor(mark), max(position) from gone group by day
    on conflict (kind, topic, day) do update set
      row_count = p.row_count + excluded.row_count,
      position_xor = p.position_xor # excluded.position_xor,
      mark_xor = p.mark_xor # excluded.mark_xor,
      last_position = greatest(p.last_position, excluded.last_position)
  ), taken_back as (
    update leaving l set row_count = l.row_count - s.n, position_xor = l.position_xor # s.positions,
      mark_xor = l.mark_xor # s.marks
    from (
      select g.day, count(*) as n, bit_xor(g.position) as positions, bit_xor(g.mark) as marks
      from gone g join leaving l on l.day = g.day and g.position <= l.last_position group by g.day
    ) s
    where l.day = s.day
  )
  select count(*)::int as n from gone`;

const eraseTopic = eraseRows(`
  select position, received_at from events where topic = $1 and $2 = '' and position <= ${bound}
  order by position limit ${rowsInStep}`);

const eraseEvent = eraseRows(`
  select position, received_at from event_keys where topic = $1 and event_id = $2 and position <= ${bound}`);

const blankConflicts = `
  with chosen as materialized (
    select r.position from refused r
    where r.conflict and r.payload is not null and ${isTarget('r')} and r.position <= ${bound} limit ${rowsInStep}
  ), blanked as (
    update refused r set payload = null, source = '', "timestamp" = 'epoch'
    from chosen c where r.position = c.position returning r.position
  )
  select count(*)::int as n from blanked`;

const lockLetters = `
  select d.position from dead_letters d
  where d.code <> '${erasedCode}' and ${isTarget('d')} and d.position <= ${bound}
  order by d.position limit ${rowsInStep} for update`;

// The reason may quote what could not be stored.
const blankLetters = `
  with chosen as materialized (
    select d.position, d.state from dead_letters d where d.position = any ($1)
  ), blanked as (
    update dead_letters d set body = '', headers = '{}', code = '${erasedCode}', reason = 'what it carried was erased',
      state = case d.state when 'open' then 'discarded' else d.state end, state_since = coalesce(d.state_since, now())
    from chosen c where d.position = c.position returning c.state
  )
  select (count(*) filter (where state <> 'redriven'))::int as lost from blanked`;
