import type { Difference } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Statements } from '../sql/database.js';
import { difference, maxNamed } from './differences.js';
import type { RowCounts } from './rows.js';

/** The tables of which every settled position has exactly one row. */
export const positionsOf = (condition: string, columns = 'position') =>
  ['event_keys', 'refused', 'tallies', 'dead_letters', 'replays']
    .map((table) => `select ${columns} from ${table} where ${condition}`)
    .join(' union all ');

/** Every position from 1 to `settled` has exactly one row. Only when the sums say otherwise are they looked at singly. */
export async function comparePositions(
  snapshot: Statements,
  { settled, last }: { settled: bigint; last: bigint | undefined },
  { settledRows, settledXor }: RowCounts,
): Promise<Difference[]> {
  if (settledRows === settled && settledXor === xorUpTo(settled)) return [];
  const counts = { expected: settled, found: settledRows };
  const lost = await snapshot.query<{ position: string }>(selectGaps, [settled, last ?? null]);
  const doubles = await snapshot.query<{ position: string }>(selectDoubles, [settled]);
  const differences: Difference[] = [];
  if (lost.length > 0) differences.push(lostPositions({ ...counts, positions: positionsIn(lost) }));
  if (doubles.length > 0) {
    const message = 'Positions have more than one row.';
    differences.push(difference('double_positions', { ...counts, positions: positionsIn(doubles) }, message));
  }
  return differences;
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

// A message that an older copy of the stream brought back in a later epoch has another position since, with the same
// sequence below it; the position that it had before has no row, and is not lost. It was there when that epoch opened:
// a later message under the same sequence is another one. $2 is the last position that the broker has given out.
const selectGaps = `
  with present as (${positionsOf('position <= $1', 'position, received_at')}),
  edges as (
    select position, lag(position, 1, 0::bigint) over (order by position) as before from present
    union all
    select $1::bigint + 1, coalesce(max(position), 0) from present
  ), gaps as (
    select g.position from edges, generate_series(before + 1, edges.position - 1) as g(position)
    where edges.position - before > 1
  ), spans as (
    select epoch, base, stream_created, lead(base) over (order by epoch) as last from epochs
  ), moved as (
    select g.position, e.opened_at, e.base + g.position - s.base as position_since
    from gaps g
    join spans s on g.position > s.base and g.position <= s.last
    join epochs e on e.epoch > s.epoch and e.stream_created = s.stream_created
      and e.base + g.position - s.base <= e.replay_until
  )
  select g.position from gaps g
  where g.position not in (
    select m.position from moved m
    where m.position_since > $1 and m.position_since <= coalesce($2::bigint, m.position_since)
    union all
    select m.position from moved m
    join present p on p.position = m.position_since and p.received_at < m.opened_at
  )
  order by g.position limit ${maxNamed}`;

const selectDoubles = `
  select position from (${positionsOf('position <= $1')}) present
  group by position having count(*) > 1 order by position limit ${maxNamed}`;
