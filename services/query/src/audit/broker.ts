import type { Difference } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Holdings, LastPosition } from '../last-position.js';
import type { Statements } from '../sql/database.js';
import { maxNamed } from './differences.js';
import { lostPositions, positionsIn, positionsOf, selectSkipped } from './positions.js';

// A longer list would not fit into one answer of the broker.
const maxDeletedListed = 50_000n;

export async function readHoldings(lastPosition: LastPosition): Promise<Holdings | undefined> {
  const reading = await lastPosition.read();
  if (typeof reading !== 'object') return undefined;
  if (reading.deleted === 0n) return { ...reading, deletedSequences: [] };
  if (reading.deleted > maxDeletedListed) return { ...reading, deletedSequences: undefined };
  // More may be deleted by now than fit; then the broker's side stays unchecked this time.
  return await lastPosition.readHoldings().catch(() => undefined);
}

/**
 * Positions above `settled`, up to the last one that the broker had given out before the snapshot. A message that had
 * left the stream by then was acked, so it had been committed and the snapshot shows its row; whatever has neither is
 * lost. Nothing that happens between the two readings can look like a loss.
 */
export async function compareBroker(
  snapshot: Statements,
  { settled: from, base, holdings }: { settled: bigint; base: bigint; holdings: Holdings },
): Promise<Difference[]> {
  let settled = from;
  const last = base + holdings.lastSequence;
  if (last <= settled) return [];
  const skipped = await snapshot.query<{ lo: string; hi: string }>(selectSkipped, [last]);
  // Of the epoch in force: what its stream had lost sight of before it opened was never given out.
  for (const { lo, hi } of skipped) if (BigInt(lo) <= settled + 1n && BigInt(hi) > settled) settled = BigInt(hi);
  const firstHeld = holdings.messages === 0n ? last + 1n : base + holdings.firstSequence;
  const differences: Difference[] = [];

  const leftUpTo = firstHeld - 1n < last ? firstHeld - 1n : last;
  if (leftUpTo > settled) {
    const lost = await withoutEarlier(snapshot, await snapshot.query(selectLostInRange, [settled, leftUpTo]));
    if (lost.length > 0) {
      const expected = leftUpTo - settled;
      differences.push(
        lostPositions({ expected, found: await countRows(snapshot, settled, leftUpTo), positions: positionsIn(lost) }),
      );
    }
  }

  if (holdings.deletedSequences === undefined) {
    // Too many to name: at least there cannot be more positions without a row than messages.
    const rowless = last - settled - (await countRows(snapshot, settled, last));
    if (rowless > holdings.messages) {
      differences.push(lostPositions({ expected: holdings.messages, found: rowless, positions: [] }));
    }
    return differences;
  }
  const left = holdings.deletedSequences.map((sequence) => base + sequence).filter((position) => position > settled);
  if (left.length > 0) {
    const lost = await withoutEarlier(snapshot, await snapshot.query(selectLostAmong, [left]));
    if (lost.length > 0) {
      const [expected, found] = [BigInt(left.length), BigInt(left.length - lost.length)];
      differences.push(lostPositions({ expected, found, positions: positionsIn(lost) }));
    }
  }
  return differences;
}

/** Without those whose sequence an earlier epoch of this stream had stored before the one in force opened. */
async function withoutEarlier(
  snapshot: Statements,
  lost: readonly { readonly position: string }[],
): Promise<readonly { readonly position: string }[]> {
  if (lost.length === 0) return lost;
  return await snapshot.query<{ position: string }>(selectWithoutEarlier, [lost.map(({ position }) => position)]);
}

async function countRows(snapshot: Statements, above: bigint, upTo: bigint): Promise<bigint> {
  const [row] = await snapshot.query<{ n: string }>(
    `select count(*) as n from (${rowsAbove('position > $1 and position <= $2')}) present`,
    [above, upTo],
  );
  return BigInt(row?.n ?? 0);
}

// `events` knows its positions by index, and above the watermark nothing of it is pruned.
const rowsAbove = (condition: string) => positionsOf(condition).replace('event_keys', 'events');

const selectLostInRange = `
  with present as (${rowsAbove('position > $1 and position <= $2')}),
  edges as (
    select position, lag(position, 1, $1::bigint) over (order by position) as before from present
    union all
    select $2::bigint + 1, coalesce(max(position), $1::bigint) from present
  )
  select g.position from edges, generate_series(before + 1, edges.position - 1) as g(position)
  where edges.position - before > 1
  order by g.position limit ${maxNamed}`;

const selectLostAmong = `
  with wanted as (select unnest($1::bigint[]) as position)
  select position from wanted
  except
  (${rowsAbove('position in (select position from wanted)')})
  order by position`;

const selectWithoutEarlier = `
  with lost as (select unnest($1::bigint[]) as position),
  earlier as (
    select l.position, s.base + l.position - e.base as before, e.opened_at
    from lost l
    join (select * from epochs order by epoch desc limit 1) e on l.position <= coalesce(e.last_found, e.replay_until)
    join epochs s on s.epoch < e.epoch and s.stream_created = e.stream_created
  ), present as (${positionsOf('position in (select before from earlier)', 'position, received_at')})
  select l.position from lost l
  where not exists (
    select from earlier e join present p on p.position = e.before and p.received_at < e.opened_at
    where e.position = l.position
  )
  -- Its row may have been removed since.
  and not exists (
    select from earlier e
    where e.position = l.position and e.before <= (select max(last_position) from removed where kind <> 'events')
  )
  order by l.position`;
