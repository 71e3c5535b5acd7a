import { Redrive } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { Msg } from '@nats-io/transport-node';
import { createDatabase } from '../../../tests/support/database.js';
import { deadLetter } from '../src/dead-letter.js';
import { type Delivery, readDelivery } from '../src/delivery.js';
import { ensurePartitions } from '../src/partitions.js';
import { storeBatch } from '../src/store-batch.js';
import { storeRedrive } from '../src/store-redrive.js';
import { copyAt, names, someTimeUs } from './deliveries.js';

export const shard = 0;
const refusal = { code: '22023', message: 'refused by a rule' };

export const dead = (position: number, eventId = 'e1', payload = '{"n":1}') => copyAt({ position, eventId, payload });

export type RedriveFixture = Awaited<ReturnType<typeof openRedriveFixture>>;

/** A database in its first epoch, and what a worker does to it with dead letters and their redrives. */
export async function openRedriveFixture() {
  const database = await createDatabase();
  await ensurePartitions(database.pool, [someTimeUs]);

  async function openEpoch(created: string, last = 0): Promise<number> {
    const present = (await database.value<number | null>('select max(epoch) from epochs')) ?? 0;
    await database.value('select open_epoch_v1($1, $2, 1, $3, $4)', [present, created, last, 'test']);
    return present + 1;
  }
  await openEpoch('one');

  return {
    database,
    openEpoch,
    /** The message that sends `of` through again, as a worker reads it from the stream. */
    async redriveAt(position: number, of: Delivery): Promise<Delivery> {
      const deadLetter = of.position;
      const sending = BigInt(
        await database.value('insert into redrives (dead_letter, position) values ($1, $2) returning sending', [
          deadLetter,
          position,
        ]),
      );
      const data = Redrive.encode({ deadLetter, sending, subject: of.subject, body: of.body }).finish();
      const reply = `$JS.ACK.stream.consumer.1.${position}.1.${someTimeUs + BigInt(position)}000.0`;
      const message = { subject: names.redriveSubject, reply, data, _msg: { hdr: -1 } };
      return readDelivery(message as unknown as Msg, 0n, names);
    },
    keep: (delivery: Delivery, epoch = 1) => deadLetter(database.pool, epoch, shard, delivery, refusal),
    store: (...batch: Delivery[]) => storeBatch(database.pool, 1, shard, batch),
    storeAgain: async (delivery: Delivery, epoch = 1) =>
      (await storeRedrive(database.pool, epoch, shard, delivery)).outcome,
    advance: (to: number, epoch = 1) => database.value('select advance_watermark_v1($1, $2, $2)', [epoch, to]),
    async letterAt(position: number) {
      const { rows } = await database.pool.query<Record<string, unknown>>(
        'select state, redriven_position::int, redrive_outcome, redrive_of::int from dead_letters where position = $1',
        [position],
      );
      return rows[0];
    },
    redrivenCounts: async () => [
      await database.value<number>('select coalesce(sum(redriven_count), 0)::int from topic_counters'),
      await database.value<number>('select coalesce(sum(redriven_count), 0)::int from minute_counters'),
    ],
    underWay: () => database.value<number>('select count(*)::int from redrives'),
    /** What a table holds, to see that a second time changes nothing. */
    async everything(): Promise<unknown[]> {
      const tables = [
        'event_keys',
        'refused',
        'tallies',
        'replays',
        'dead_letters',
        'topic_counters',
        'minute_counters',
      ];
      return await Promise.all(
        tables.map((table) => database.value(`select coalesce(jsonb_agg(t order by t::text), '[]') from ${table} t`)),
      );
    },
  };
}
