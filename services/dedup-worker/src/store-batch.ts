import type { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { Copy, Tally } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { Pool } from 'pg';
import type { Delivery } from './delivery.js';
import { int8Array, jsonbArray, textArray, timestamptzArray } from './postgres-arrays.js';

/** What became of one copy that is not the stored event. */
export interface Judgement {
  readonly outcome: Outcome;
  readonly firstSeenAtUs: bigint;
}

// Named, so that each connection plans it once. The migrations hold the function.
const statement = {
  name: 'store_batch_v1',
  text: `select r_position::text, r_outcome, (extract(epoch from r_first_seen_at) * 1000000)::bigint::text
         from store_batch_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
} as const;

type Row = [position: string, outcome: number, firstSeenAtUs: string | null];

/**
 * One call, one round trip, its own transaction: no lock ever waits for this process. Answers with the copies that are
 * not the stored event, by position; the rest of the copies are stored. Undecodable deliveries are not for this.
 */
export async function storeBatch(
  pool: Pool,
  epoch: number,
  shard: number,
  batch: readonly Delivery[],
): Promise<ReadonlyMap<bigint, Judgement>> {
  const copies: { delivery: Delivery; copy: Copy }[] = [];
  const tallies: { delivery: Delivery; tally: Tally }[] = [];
  let lowest: bigint | undefined;
  for (const delivery of batch) {
    if (delivery.content.kind === 'copy') copies.push({ delivery, copy: delivery.content.copy });
    else if (delivery.content.kind === 'tally') tallies.push({ delivery, tally: delivery.content.tally });
    else continue;
    if (lowest === undefined || delivery.position < lowest) lowest = delivery.position;
  }
  if (lowest === undefined) return new Map();

  const { rows } = await pool.query<Row>({
    ...statement,
    rowMode: 'array',
    values: [
      epoch,
      shard,
      lowest,
      int8Array(copies.map(({ delivery }) => delivery.position)),
      timestamptzArray(copies.map(({ delivery }) => delivery.receivedAtUs)),
      textArray(copies.map(({ copy }) => copy.topic)),
      textArray(copies.map(({ copy }) => copy.eventId)),
      timestamptzArray(copies.map(({ copy }) => copy.timestampUs)),
      textArray(copies.map(({ copy }) => copy.source)),
      jsonbArray(copies.map(({ copy }) => copy.payload)),
      int8Array(tallies.map(({ delivery }) => delivery.position)),
      timestamptzArray(tallies.map(({ delivery }) => delivery.receivedAtUs)),
      jsonbArray(tallies.map(({ tally }) => tallyAsJson(tally))),
    ],
  });
  return new Map(
    rows.map(([position, outcome, firstSeenAtUs]) => [
      BigInt(position),
      { outcome: outcome as Outcome, firstSeenAtUs: BigInt(firstSeenAtUs ?? 0) },
    ]),
  );
}

export function tallyAsJson({ groups }: Tally): Uint8Array {
  return Buffer.from(
    JSON.stringify(groups.map(({ topic, source, eventIds }) => ({ topic, source, event_ids: eventIds }))),
  );
}
