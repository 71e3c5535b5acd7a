import { jetstream } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { beforeEach, expect, inject, test } from 'vitest';
import { alignEpoch } from '../services/dedup-worker/src/align-epoch.js';
import { trackWatermark } from '../services/dedup-worker/src/track-watermark.js';
import { eraseEvents } from '../services/query/src/rpc/erase-events.js';
import { openFixture, type QueryFixture, silent } from '../services/query/tests/query-fixture.js';
import { daysAgo } from './support/keeping-fixture.js';
import { waitUntil } from './support/wait-until.js';

let fixture: QueryFixture;
let connection: NatsConnection;
beforeEach(async () => {
  fixture = await openFixture();
  connection = await connect({ servers: inject('natsUrl') });
  return async () => {
    await connection.close();
    await fixture.close();
  };
});

/** As a worker at its start. */
const align = () =>
  alignEpoch({
    jsm: fixture.jsm,
    pool: fixture.pool,
    names: fixture.names,
    streamLimits: { maxBytes: 64 * 1024 ** 2, maxMessages: 0, dedupWindowMs: 120_000, replicas: 1 },
    ackWaitMs: 10_000,
    maxAckPending: 1000,
    logger: silent,
    wentBackIn: undefined,
    notThisConsumer: undefined,
  });

/** Stores what the stream holds, and leaves it there: so it looks when the broker was killed before it wrote the acks. */
async function storeStream(): Promise<void> {
  const { state } = await fixture.jsm.streams.info(fixture.names.stream);
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await fixture.jsm.streams.getMessage(fixture.names.stream, { seq });
    await fixture.store({ position: seq, receivedAt: message?.timestamp.replace(/(\.\d{6})\d+/, '$1') ?? '' });
  }
  await settle(state.last_seq);
}

async function settle(position: number): Promise<void> {
  await fixture.advance(position);
  while (await fixture.database.value<boolean>('select roll_up_v1(20000)'));
}

const erase = (eventId: string) => eraseEvents(fixture.queries, { topic: 'orders', eventId });

test('a worker that starts after the latest event was erased goes on in the same epoch', async () => {
  await align();
  await fixture.send(3);
  await storeStream();
  expect(await erase('e3')).toMatchObject({ erased: 1n });
  expect(await align()).toMatchObject({ epoch: 1 });
});

test('a sequence given out again is found at the start though what had it was erased', async () => {
  await align();
  const receivedAt = daysAgo(5);
  await fixture.database.pool.query('select ensure_event_partition_v1($1::timestamptz::date)', [receivedAt]);
  await fixture.store({ position: 1, receivedAt }, { position: 2, receivedAt });
  await settle(2);
  expect(await erase('e2')).toMatchObject({ erased: 1n });
  await fixture.send(3);
  expect(await align()).toMatchObject({ epoch: 2, base: 2n });
});

test('what was erased is no message that the consumer passed over without storing it', async () => {
  const epoch = await align();
  await runPast(epoch.durable, 3);
  await fixture.store(...[1, 2, 3, 4].map((position) => ({ position })));
  await settle(4);
  expect(await erase('e2')).toMatchObject({ erased: 1n });

  const stuck: string[] = [];
  const tracker = trackWatermark({
    jsm: fixture.jsm,
    pool: fixture.pool,
    names: fixture.names,
    epoch,
    logger: silent,
    metrics: { known: () => undefined, watermark: () => undefined },
    ackWaitMs: 10_000,
    onChanged: (why) => stuck.push(why),
    onStuck: (why) => stuck.push(why),
  });
  await waitUntil('it is reported that the stream still holds them', () => stuck.length > 0);
  tracker.stop();
  expect(stuck).toEqual(['the consumer is done with messages that the stream holds']);
});

/** Has the ack floor of the consumer run past messages that the stream holds, as a killed broker may leave it. */
async function runPast(durable: string, messages: number): Promise<void> {
  const { jsm, names } = fixture;
  const consumer = await jetstream(connection).consumers.get(names.stream, durable);
  const pull = async (count: number, ack: boolean) => {
    for await (const message of await consumer.fetch({ max_messages: count, expires: 20_000 })) if (ack) message.ack();
  };
  const info = () => jsm.consumers.info(names.stream, durable);
  await fixture.send(messages);
  await jsm.consumers.update(names.stream, durable, { max_deliver: 1, ack_wait: 100_000_000 });
  await pull(messages, false);
  const acking = pull(1, true);
  await waitUntil('they are given up', async () => (await info()).num_ack_pending === 0);
  await fixture.send(1);
  await acking;
  await waitUntil('the ack floor has run past', async () => (await info()).ack_floor.stream_seq === messages + 1);
  await jsm.consumers.update(names.stream, durable, { max_deliver: -1, ack_wait: 10_000_000_000 });
}
