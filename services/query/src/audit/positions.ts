import type { Difference } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Statements } from '../sql/database.js';
import { difference, maxNamed } from './differences.js';
import type { RowCounts } from './rows.js';

/** The tables of which every settled position has exactly one row. */
export const positionsOf = (condition: string, columns = 'position') =>
  ['event_keys', 'refused', 'tallies', 'dead_letters', 'replays']
    .map((table) => `select ${columns} from ${table} where ${condition}`)
    .join(' union all ');

/**
 * Every position from 1 to `settled` that was given out has exactly one row, or had one that was removed on purpose. Only
 * when the sums say otherwise are they looked at singly. What was removed is known in sums alone, so up to the last of it
 * a loss is counted, but not named.
 */
export async function comparePositions(
  snapshot: Statements,
  { settled, last }: { settled: bigint; last: bigint | undefined },
  { settledRows, settledXor, removed }: RowCounts,
): Promise<Difference[]> {
  const skipped = await snapshot.query<{ lo: string; hi: string }>(selectSkipped, [settled]);
  let expected = settled;
  let xor = xorUpTo(settled);
  for (const row of skipped) {
    const [lo, hi] = [BigInt(row.lo), BigInt(row.hi)];
    expected -= hi - lo + 1n;
    xor ^= xorUpTo(hi) ^ xorUpTo(lo - 1n);
  }
  if (settledRows === expected && settledXor === xor) return [];
  const counts = { expected, found: settledRows };
  const lost = await snapshot.query<{ position: string }>(selectGaps, [settled, last ?? null, removed.upTo]);
  const doubles = await snapshot.query<{ position: string }>(selectDoubles, [settled]);
  const differences: Difference[] = [];
  if (lost.length > 0) differences.push(lostPositions({ ...counts, positions: positionsIn(lost) }));
  if (doubles.length > 0) {
    const message = 'Positions have more than one row.';
    differences.push(difference('double_positions', { ...counts, positions: positionsIn(doubles) }, message));
  }
  if (removed.rows > 0n) {
    const parameters = [settled, last ?? null, removed.upTo];
    const [below] = await snapshot.query<{ n: string; moved: boolean }>(countGaps, parameters);
    const without = BigInt(below?.n ?? 0);
    // After the broker went back some of them have no row though nothing of them was removed.
    const unlike = below?.moved ? without > removed.rows : without !== removed.rows || differences.length === 0;
    if (unlike) differences.push(lostAmongRemoved({ expected: removed.rows, found: without }));
  }
  return differences;
}

function lostAmongRemoved(counts: { expected: bigint; found: bigint }): Difference {
  const message = `Rows of ${counts.expected} positions were removed on purpose, but ${counts.found} have none.`;
  return difference('lost_positions', counts, message);
}

export function lostPositions(counts: { expected: bigint; found: bigint; positions: readonly bigint[] }): Difference {
  const message = 'Positions were given out by the broker, but have no row and are not in the broker any more.';
  return difference('lost_positions', counts, message);
}

export function positionsIn(rows: readonly { readonly position: string }[]): bigint[] {
  return rows.map(({ position }) => BigInt(position));
}

/** 1 xor 2 xor … xor n. */
export function xorUpTo(n: bigint): bigint {
  return [n, 1n, n + 1n, 0n][Number(n % 4n)] as bigint;
}

/** What an epoch skips, up to $1: its stream began with a later sequence when it opened. */
export const selectSkipped = `
  select base + 1 as lo, least(first_found - 1, $1) as hi from epochs where first_found > base + 1 and base < $1`;

// A copy of the stream that is put back leaves positions without a row that are not lost, in two ways. A message that it
// brought back has another position since, with the same sequence below it: the one that it had before has no row. And a
// sequence that it did not hold any more when the epoch opened has a row under the position that it had before. In both
// the copy came before the later epoch opened: a later message under the same sequence is another one. $2 is the last
// position that the broker has given out. Up to $3 a row may have been removed.
const unexplained = (from: string, to: string) => `
  present as (${positionsOf('position <= $1', 'position, received_at')}),
  covered as (
    select position as lo, position as hi from present union all select lo, hi from (${selectSkipped}) skipped
  ), edges as (
    select lo, coalesce(max(hi) over (order by lo rows between unbounded preceding and 1 preceding), 0) as before
    from covered
    union all
    select $1::bigint + 1, coalesce(max(hi), 0) from covered
  ), gaps as (
    select g.position
    from edges, generate_series(greatest(before + 1, ${from}), least(edges.lo - 1, ${to})) as g(position)
    where edges.lo - before > 1
  ), spans as (
    select epoch, base, stream_created, lead(base) over (order by epoch) as last from epochs
  ), moved as (
    select g.position, e.opened_at, e.base + g.position - s.base as position_since
    from gaps g
    join spans s on g.position > s.base and g.position <= s.last
    join epochs e on e.epoch > s.epoch and e.stream_created = s.stream_created
      and e.base + g.position - s.base <= e.replay_until
  ), lost as (
    select g.position from gaps g
    where g.position not in (
      select m.position from moved m
      where m.position_since > $1 and m.position_since <= coalesce($2::bigint, m.position_since)
        or m.position_since <= $3
      union all
      select m.position from moved m
      join present p on p.position = m.position_since and p.received_at < m.opened_at
      union all
      select g.position
      from gaps g
      join epochs e on g.position > e.base and g.position <= coalesce(e.last_found, e.replay_until)
      join epochs s on s.epoch < e.epoch and s.stream_created = e.stream_created
      left join present p on p.position = s.base + g.position - e.base and p.received_at < e.opened_at
      where p.position is not null or s.base + g.position - e.base <= $3
    )
  )`;

const selectGaps = `
  with ${unexplained('$3::bigint + 1', '$1::bigint')}
  select position from lost order by position limit ${maxNamed}`;

const countGaps = `
  with ${unexplained('1', '$3::bigint')}
  select (select count(*) from lost) as n,
         exists (select from epochs e join epochs s on s.epoch < e.epoch and s.stream_created = e.stream_created) as moved`;

const selectDoubles = `
  select position from (${positionsOf('position <= $1')}) present
  group by position having count(*) > 1 order by position limit ${maxNamed}`;
