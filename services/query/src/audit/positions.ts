import type { Difference } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Statements } from '../sql/database.js';
import { difference, maxNamed } from './differences.js';
import type { RowCounts } from './rows.js';

/** The tables of which every settled position has exactly one row. */
export const positionsOf = (condition: string) =>
  ['event_keys', 'refused', 'tallies', 'dead_letters', 'replays']
    .map((table) => `select position from ${table} where ${condition}`)
    .join(' union all ');

/** Every position from 1 to `settled` has exactly one row. Only when the sums say otherwise are they looked at singly. */
export async function comparePositions(
  snapshot: Statements,
  settled: bigint,
  { settledRows, settledXor }: RowCounts,
): Promise<Difference[]> {
  if (settledRows === settled && settledXor === xorUpTo(settled)) return [];
  const counts = { expected: settled, found: settledRows };
  const lost = await snapshot.query<{ position: string }>(selectGaps, [settled]);
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

// A message that an older copy of the stream brought back in a later epoch has another position since; the one that it
// had before has no row, and is not lost. (When the same stream gave a sequence out again, the two cannot be told apart
// here; the epoch's `reason` says that it happened.)
const selectGaps = `
  with present as (${positionsOf('position <= $1')}),
  edges as (
    select position, lag(position, 1, 0::bigint) over (order by position) as before from present
    union all
    select $1::bigint + 1, coalesce(max(position), 0) from present
  ), gaps as (
    select g.position from edges, generate_series(before + 1, edges.position - 1) as g(position)
    where edges.position - before > 1
  ), ranges as (
    select epoch, base, stream_created, replay_until, lead(base) over (order by epoch) as end_of from epochs
  )
  select g.position from gaps g
  where not exists (
    select from ranges was
    join epochs now on now.epoch > was.epoch and now.stream_created = was.stream_created
    where g.position > was.base and g.position <= coalesce(was.end_of, g.position)
      and now.base + g.position - was.base <= now.replay_until
      and (now.base + g.position - was.base > $1
        or exists (select from present p where p.position = now.base + g.position - was.base))
  )
  order by g.position limit ${maxNamed}`;

const selectDoubles = `
  select position from (${positionsOf('position <= $1')}) present
  group by position having count(*) > 1 order by position limit ${maxNamed}`;
