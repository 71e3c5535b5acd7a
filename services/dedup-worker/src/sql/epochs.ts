import type { Pool } from 'pg';
import { inTransaction } from './in-transaction.js';

/** position = base + stream sequence, while this epoch lasts. */
export interface Epoch {
  readonly epoch: number;
  readonly base: bigint;
  readonly streamCreated: string;
}

type EpochRow = { epoch: number; base: string; stream_created: string };

const asEpoch = (row: EpochRow): Epoch => ({
  epoch: row.epoch,
  base: BigInt(row.base),
  streamCreated: row.stream_created,
});

// Any number but those of the migrations.
const alignLockKey = '7305809143511617076';

/**
 * Runs `work` while no other worker runs its own. The lock belongs to an idle transaction whose bound
 * (idle_in_transaction_session_timeout) frees it when this process is stopped in the middle: `stillHeld` rejects then.
 */
export function withAlignLock<T>(pool: Pool, work: (stillHeld: () => Promise<unknown>) => Promise<T>): Promise<T> {
  return inTransaction(pool, async (client) => {
    await client.query(`select pg_advisory_xact_lock(${alignLockKey})`);
    return await work(() => client.query('select 1'));
  });
}

export async function currentEpoch(pool: Pool): Promise<Epoch | undefined> {
  const { rows } = await pool.query<EpochRow>(
    'select epoch, base, stream_created from epochs order by epoch desc limit 1',
  );
  return rows[0] && asEpoch(rows[0]);
}

export async function openEpoch(
  pool: Pool,
  expected: number,
  stream: { readonly created: string; readonly firstSequence: number; readonly lastSequence: number },
  reason: string,
): Promise<Epoch> {
  const { rows } = await pool.query<EpochRow>(
    'select epoch, base, stream_created from open_epoch_v2($1, $2, $3, $4, $5)',
    [expected, stream.created, stream.firstSequence, stream.lastSequence, reason],
  );
  const row = rows[0];
  if (row === undefined) throw new Error('open_epoch_v2 returned no row');
  return asEpoch(row);
}

export interface Watermark {
  readonly position: bigint;
  readonly known: bigint;
}

export async function readWatermark(pool: Pool): Promise<Watermark> {
  const { rows } = await pool.query<{ position: string; known: string }>('select position, known from watermark');
  const row = rows[0];
  return { position: BigInt(row?.position ?? 0), known: BigInt(row?.known ?? 0) };
}

/** Returns where the watermark stands now. */
export async function advanceWatermark(pool: Pool, epoch: number, committed: bigint, known: bigint): Promise<bigint> {
  const { rows } = await pool.query<{ position: string }>('select advance_watermark_v1($1, $2, $3) as position', [
    epoch,
    committed.toString(),
    known.toString(),
  ]);
  return BigInt(rows[0]?.position ?? 0);
}

/**
 * Whether every position above `after`, up to and with `last`, was stored. Up to the watermark all were, though rows of
 * them may have been removed since.
 */
export async function allAreStored(pool: Pool, after: bigint, last: bigint): Promise<boolean> {
  const { position: watermark } = await readWatermark(pool);
  const from = after > watermark ? after : watermark;
  if (last <= from) return true;
  const { rows } = await pool.query<{ found: string }>(
    `select count(distinct position) as found from (
       select position from events where position > $1 and position <= $2
       union all select position from refused where position > $1 and position <= $2
       union all select position from tallies where position > $1 and position <= $2
       union all select position from dead_letters where position > $1 and position <= $2
       union all select position from replays where position > $1 and position <= $2
     ) as found`,
    [from.toString(), last.toString()],
  );
  return BigInt(rows[0]?.found ?? 0) === last - from;
}

/** The highest position that has a row. */
export async function highestRow(pool: Pool): Promise<bigint> {
  const { rows } = await pool.query<{ highest: string }>(`
    select greatest(
      (select max(position) from events), (select max(position) from refused), (select max(position) from tallies),
      (select max(position) from dead_letters), (select max(position) from replays), 0
    ) as highest`);
  return BigInt(rows[0]?.highest ?? 0);
}

/**
 * Whether this position has a row of this timestamp, or may have had one that was removed on purpose. A broker that gives
 * out such a position again is noticed later: the call that stores its message knows each by its key.
 */
export async function mayBeStored(pool: Pool, position: bigint, receivedAtUs: bigint): Promise<boolean> {
  const { rows } = await pool.query<{ stored: boolean }>(
    `with found as (
       select received_at from events where position = $1
       union all select received_at from refused where position = $1
       union all select received_at from tallies where position = $1
       union all select received_at from dead_letters where position = $1
       union all select received_at from replays where position = $1
     ), its as (
       select 'epoch'::timestamptz + $2::bigint * interval '1 microsecond' as received_at
     )
     select case when exists (select from found)
       then exists (select from found f where f.received_at = i.received_at)
       else exists (
         select from removed r where r.last_position >= $1 and r.day = (i.received_at at time zone 'UTC')::date
       )
     end as stored from its i`,
    [position.toString(), receivedAtUs.toString()],
  );
  return rows[0]?.stored === true;
}
