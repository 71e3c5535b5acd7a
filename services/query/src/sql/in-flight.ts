import type { StreamReading } from '../last-position.js';

// A redrive whose position is not known after this long was not taken by the broker, or its writer died.
const placedWithin = '5 seconds';

/**
 * Common table expressions for what the broker holds without a row in Postgres yet. $1 is the stream's `created`, $2 its
 * last sequence; null when nobody knows. Nothing above the watermark is pruned, so an event has its row in `events`.
 * A redrive under way has a row in `redrives`: it is in flight, but no copy.
 */
export const inFlightTables = `
  epoch as (
    select base, stream_created from epochs order by epoch desc limit 1
  ), bounds as (
    select w.position as watermark, e.stream_created,
           greatest(w.position, w.known, case when e.stream_created = $1 then e.base + $2::bigint end) as last_position
    from watermark w left join epoch e on true limit 1
  ), above as (
    select (select count(*) from events where position > watermark and position <= last_position)
         + (select count(*) from refused where position > watermark and position <= last_position)
         + (select count(*) from tallies where position > watermark and position <= last_position)
         + (select count(*) from dead_letters where position > watermark and position <= last_position)
         + (select count(*) from replays where position > watermark and position <= last_position) as rows_above,
           (select count(*) from redrives where position > watermark and position <= last_position) as redrives_above,
           (select count(*) from redrives where position is null and sent_at > now() - interval '${placedWithin}')
             as redrives_unplaced
    from bounds
  )`;

export type InFlightRow = {
  readonly stream_created: string | null;
  readonly watermark: string;
  readonly last_position: string;
  readonly rows_above: string;
  readonly redrives_above: string;
  readonly redrives_unplaced: string;
};

/** What the broker holds and Postgres does not yet. */
export interface InFlight {
  readonly messages: bigint;
  /** All of them but the redrives: those were received before. */
  readonly copies: bigint;
}

export function inFlightParameters(reading: StreamReading | undefined): (string | bigint | null)[] {
  return [reading?.created ?? null, reading?.lastSequence ?? null];
}

export function inFlightOf(row: InFlightRow, reading: StreamReading | undefined): InFlight {
  // Another stream than the epoch's: its positions begin only with the next epoch, but each message in it is a copy.
  if (reading !== undefined && reading.created !== row.stream_created) {
    return { messages: reading.messages, copies: reading.messages };
  }
  const messages = atLeastZero(BigInt(row.last_position) - BigInt(row.watermark) - BigInt(row.rows_above));
  return { messages, copies: atLeastZero(messages - BigInt(row.redrives_above)) };
}

const atLeastZero = (n: bigint) => (n > 0n ? n : 0n);

export const selectInFlight = `with ${inFlightTables} select b.*, a.* from bounds b cross join above a`;

const attempts = 50;
const pauseMs = 20;

/**
 * Reads again while a redrive has just been sent and its position is not written down yet: in that moment nobody can
 * tell its message from a copy.
 */
export async function untilPlaced<T extends { readonly row: InFlightRow }>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const found = await read();
    if (found.row.redrives_unplaced === '0' || attempt === attempts) return found;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
