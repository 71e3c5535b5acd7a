import type { StreamReading } from '../last-position.js';

/**
 * Common table expressions for what the broker holds without a row in Postgres yet. $1 is the stream's `created`, $2 its
 * last sequence; null when nobody knows. Nothing above the watermark is pruned, so an event has its row in `events`.
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
         + (select count(*) from replays where position > watermark and position <= last_position) as rows_above
    from bounds
  )`;

export type InFlightRow = {
  readonly stream_created: string | null;
  readonly watermark: string;
  readonly last_position: string;
  readonly rows_above: string;
};

export function inFlightParameters(reading: StreamReading | undefined): (string | bigint | null)[] {
  return [reading?.created ?? null, reading?.lastSequence ?? null];
}

export function inFlightOf(row: InFlightRow, reading: StreamReading | undefined): bigint {
  // Another stream than the epoch's: its positions begin only with the next epoch, but each message in it is a copy.
  if (reading !== undefined && reading.created !== row.stream_created) return reading.messages;
  const inFlight = BigInt(row.last_position) - BigInt(row.watermark) - BigInt(row.rows_above);
  return inFlight > 0n ? inFlight : 0n;
}

export const selectInFlight = `with ${inFlightTables} select b.*, a.rows_above from bounds b cross join above a`;
