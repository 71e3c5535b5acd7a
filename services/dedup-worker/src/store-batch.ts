import type { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { Tally } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { Pool } from 'pg';
import type { Delivery } from './delivery.js';
import { int8Array, jsonbArray, type TextOf, textArray, timestamptzArray } from './postgres-arrays.js';
import type { CopyInPlace } from './read-copy.js';

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

type CopyDelivery = Delivery & { readonly content: { readonly kind: 'copy'; readonly copy: CopyInPlace } };
type TallyDelivery = Delivery & { readonly content: { readonly kind: 'tally'; readonly tally: Tally } };

const isCopy = (delivery: Delivery): delivery is CopyDelivery => delivery.content.kind === 'copy';
const isTally = (delivery: Delivery): delivery is TallyDelivery => delivery.content.kind === 'tally';

const positionOf = ({ position }: Delivery) => position;
const receivedAtOf = ({ receivedAtUs }: Delivery) => receivedAtUs;
const bytes = ({ content }: CopyDelivery) => content.copy.bytes;
const topic: TextOf<CopyDelivery> = {
  bytes,
  at: ({ content }) => content.copy.topicAt,
  end: ({ content }) => content.copy.topicEnd,
};
const eventId: TextOf<CopyDelivery> = {
  bytes,
  at: ({ content }) => content.copy.eventIdAt,
  end: ({ content }) => content.copy.eventIdEnd,
};
const source: TextOf<CopyDelivery> = {
  bytes,
  at: ({ content }) => content.copy.sourceAt,
  end: ({ content }) => content.copy.sourceEnd,
};
const payload: TextOf<CopyDelivery> = {
  bytes,
  at: ({ content }) => content.copy.payloadAt,
  end: ({ content }) => content.copy.payloadEnd,
};
const whole: TextOf<Uint8Array> = { bytes: (text) => text, at: () => 0, end: (text) => text.length };

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
  const copies: CopyDelivery[] = [];
  const tallies: TallyDelivery[] = [];
  let lowest: bigint | undefined;
  for (const delivery of batch) {
    if (isCopy(delivery)) copies.push(delivery);
    else if (isTally(delivery)) tallies.push(delivery);
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
      int8Array(copies, positionOf),
      timestamptzArray(copies, receivedAtOf),
      textArray(copies, topic),
      textArray(copies, eventId),
      timestamptzArray(copies, ({ content }) => content.copy.timestampUs),
      textArray(copies, source),
      jsonbArray(copies, payload),
      int8Array(tallies, positionOf),
      timestamptzArray(tallies, receivedAtOf),
      jsonbArray(
        tallies.map(({ content }) => tallyAsJson(content.tally)),
        whole,
      ),
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
