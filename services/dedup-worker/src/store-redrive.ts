import type { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { Pool } from 'pg';
import type { Delivery } from './delivery.js';
import { jsonbValue, timestamptzValue } from './postgres-arrays.js';
import { type CopyInPlace, textsOf } from './read-copy.js';
import { type Judgement, tallyAsJson } from './store-batch.js';

const statement = {
  name: 'store_redrive_v1',
  text: `select r_outcome, (extract(epoch from r_first_seen_at) * 1000000)::bigint::text as first_seen_at_us
         from store_redrive_v1(
           $1, $2, $3, $4, $5, $6::timestamptz, $7, $8, $9::timestamptz, $10, $11, $12
         )`,
} as const;

/** Stores a message that sends a dead letter through again, and turns that one's state, in one call. */
export async function storeRedrive(pool: Pool, epoch: number, shard: number, delivery: Delivery): Promise<Judgement> {
  const { content, position, receivedAtUs, redrive } = delivery;
  const place = [epoch, shard, redrive?.sending, redrive?.deadLetter, position, timestamptzValue(receivedAtUs)];
  const given = content.kind === 'copy' ? valuesOf(content.copy) : [null, null, null, null, null];
  const groups = content.kind === 'tally' ? jsonbValue(tallyAsJson(content.tally)) : null;
  const { rows } = await pool.query<{ r_outcome: number; first_seen_at_us: string | null }>({
    ...statement,
    values: [...place, ...given, groups],
  });
  const [row] = rows;
  if (row === undefined) throw new Error('store_redrive_v1 returned no row');
  return { outcome: row.r_outcome as Outcome, firstSeenAtUs: BigInt(row.first_seen_at_us ?? 0) };
}

/** Text goes as the bytes that it is, so that Postgres says what is wrong with them. */
function valuesOf(copy: CopyInPlace) {
  const { topic, eventId, source, payload } = textsOf(copy);
  return [
    Buffer.from(topic),
    Buffer.from(eventId),
    timestamptzValue(copy.timestampUs),
    Buffer.from(source),
    jsonbValue(payload),
  ];
}
