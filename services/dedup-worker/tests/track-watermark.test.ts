import { randomBytes } from 'node:crypto';
import { type BrokerNames, namesFor } from '@eventsieve/contract/names';
import { AckPolicy, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { type Aligned, alignEpoch } from '../src/align-epoch.js';
import { trackWatermark, type WatermarkTracker } from '../src/track-watermark.js';

const logger = pino({ level: 'silent' });
let database: TestDatabase;
let connection: NatsConnection;
let jsm: JetStreamManager;
let names: BrokerNames;
let epoch: Aligned;
let tracker: WatermarkTracker | undefined;
let seen: string[];

beforeAll(async () => {
  database = await createDatabase();
  connection = await connect({ servers: inject('natsUrl') });
  jsm = await jetstreamManager(connection);
});
afterAll(async () => {
  await connection.close();
  await database.drop();
});

beforeEach(async () => {
  await database.pool.query('truncate epochs, tallies; update watermark set position = 0, known = 0');
  names = namesFor(`w${randomBytes(4).toString('hex')}`);
  seen = [];
  epoch = await alignEpoch({
    jsm,
    pool: database.pool,
    names,
    streamLimits: { maxBytes: 64 * 1024 ** 2, maxMessages: 0, dedupWindowMs: 120_000, replicas: 1 },
    ackWaitMs: 10_000,
    maxAckPending: 1000,
    logger,
    wentBackIn: undefined,
    notThisConsumer: undefined,
  });
  return async () => {
    tracker?.stop();
    await jsm.streams.delete(names.stream).catch(() => undefined);
  };
});

function track(ackWaitMs = 10_000): void {
  tracker = trackWatermark({
    jsm,
    pool: database.pool,
    names,
    epoch,
    logger,
    metrics: { known: () => undefined, watermark: () => undefined },
    ackWaitMs,
    onChanged: (why) => seen.push(why),
    onStuck: (why) => seen.push('stuck', why),
  });
}

async function send(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await jetstream(connection).publish(`${names.eventSubjectPrefix}t`, `${i}`);
}

async function pull(count: number) {
  const consumer = await jetstream(connection).consumers.get(names.stream, epoch.durable);
  const messages = [];
  for await (const message of await consumer.fetch({ max_messages: count, expires: 20_000 })) messages.push(message);
  return messages;
}

const watermark = () => database.value<string>('select position from watermark');
const known = () => database.value<string>('select known from watermark');

test('the watermark follows the acks without a gap, never what was only delivered', async () => {
  await send(4);
  track();
  const [first, second, third] = await pull(4);
  await waitUntil('the broker is known', async () => (await known()) === '4');
  expect(await watermark()).toBe('0');
  second?.ack();
  third?.ack();
  tracker?.acked();
  await connection.flush();
  expect(await watermark()).toBe('0');
  first?.ack();
  tracker?.acked();
  await waitUntil('the watermark follows', async () => (await watermark()) === '3');
});

test('a consumer that hands out nothing is reported, one that has nothing to hand out is not', async () => {
  track(100);
  await waitUntil('the tracker has looked', async () => (await known()) === '0' && tracker !== undefined);
  await send(1);
  tracker?.acked();
  await waitUntil('it is stuck', () => seen.includes('stuck'));
});

/** Has the consumer give the first messages up, and one after them acked: its ack floor runs past them all. */
async function giveUp(messages: number): Promise<void> {
  const durable = epoch.durable;
  const info = () => jsm.consumers.info(names.stream, durable);
  await send(messages);
  await jsm.consumers.update(names.stream, durable, { max_deliver: 1, ack_wait: 100_000_000 });
  await pull(messages);
  const asking = pull(1);
  await waitUntil('they are given up', async () => (await info()).num_ack_pending === 0);
  await send(1);
  for (const message of await asking) message.ack();
  await waitUntil('the ack floor has run past', async () => (await info()).ack_floor.stream_seq === messages + 1);
}

test('a consumer that may give messages up is reported, and the watermark does not follow it', async () => {
  await giveUp(3);
  track();
  await waitUntil('it is reported', () => seen.includes('the consumer has max_deliver 1'));
  await waitUntil('the broker is known', async () => (await known()) === '4');
  expect(await watermark()).toBe('0');
});

test('an ack floor past what is not stored is not believed, also after the consumer was put right', async () => {
  await giveUp(3);
  await jsm.consumers.update(names.stream, epoch.durable, { max_deliver: -1 });
  track();
  await waitUntil('it is reported', () => seen.includes('the consumer takes messages for settled that are not stored'));
  await waitUntil('the broker is known', async () => (await known()) === '4');
  expect(await watermark()).toBe('0');
});

test('an ack floor past messages that are stored, as a killed broker leaves it, is followed, and a consumer is wanted that hands them out', async () => {
  await giveUp(3);
  await jsm.consumers.update(names.stream, epoch.durable, { max_deliver: -1 });
  await database.pool.query(`
    insert into tallies (position, received_at, copies, groups) select n, now(), 1, '[]' from generate_series(1, 4) as n`);
  track();
  await waitUntil('the watermark follows', async () => (await watermark()) === '4');
  await waitUntil('it is reported', () => seen.length > 0);
  expect(seen).toEqual(['stuck', 'the consumer is done with messages that the stream holds']);
});

test('messages that somebody deleted are passed over', async () => {
  await send(4);
  for (const seq of [1, 2]) await jsm.streams.deleteMessage(names.stream, seq);
  track();
  await waitUntil('the watermark passes them', async () => (await watermark()) === '2');
});

test('a stream or a consumer that is gone is reported', async () => {
  track();
  await jsm.consumers.delete(names.stream, epoch.durable);
  await waitUntil('the loss is reported', () => seen.length > 0);
});

test('a stream made anew under the same name is reported', async () => {
  await jsm.streams.delete(names.stream);
  await jsm.streams.add({ name: names.stream, subjects: [...names.streamSubjects] });
  await jsm.consumers.add(names.stream, {
    durable_name: epoch.durable,
    ack_policy: AckPolicy.Explicit,
  });
  track();
  await waitUntil('the change is reported', () => seen.includes('the stream was made anew'));
});
