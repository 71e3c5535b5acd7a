import { randomBytes } from 'node:crypto';
import { type BrokerNames, durableOf, namesFor } from '@eventsieve/contract/names';
import type { StreamLimits } from '@eventsieve/runtime/stream';
import { createPool } from '@eventsieve/store/pool';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { type AlignDeps, alignEpoch, microsecondsOf } from '../src/align-epoch.js';
import { whyUnsound } from '../src/consumer-config.js';
import { ensurePartitions } from '../src/partitions.js';
import { advanceWatermark } from '../src/sql/epochs.js';
import { storeBatch } from '../src/store-batch.js';
import { copyAt } from './deliveries.js';

const streamLimits: StreamLimits = { maxBytes: 64 * 1024 ** 2, maxMessages: 0, dedupWindowMs: 120_000, replicas: 1 };
let database: TestDatabase;
let connection: NatsConnection;
let jsm: JetStreamManager;
let names: BrokerNames;

beforeAll(async () => {
  connection = await connect({ servers: inject('natsUrl') });
  jsm = await jetstreamManager(connection);
});
afterAll(() => connection.close());

beforeEach(async () => {
  database = await createDatabase();
  names = namesFor(`a${randomBytes(4).toString('hex')}`);
  return async () => {
    await jsm.streams.delete(names.stream).catch(() => undefined);
    await database.drop();
  };
});

const align = (changes: Partial<AlignDeps> = {}) =>
  alignEpoch({
    jsm,
    pool: database.pool,
    names,
    streamLimits,
    ackWaitMs: 10_000,
    maxAckPending: 1000,
    logger: pino({ level: 'silent' }),
    wentBackIn: undefined,
    notThisConsumer: undefined,
    ...changes,
  });

async function send(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await jetstream(connection).publish(`${names.eventSubjectPrefix}t`, `${i}`);
}

/** Stores rows under the positions and timestamps of the messages that the stream holds, as a worker would. */
async function storeStream(epoch: number, base: bigint): Promise<void> {
  const { state } = await jsm.streams.info(names.stream);
  const copies = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await jsm.streams.getMessage(names.stream, { seq });
    if (message === null) continue;
    const position = Number(base) + seq;
    copies.push(copyAt({ position, eventId: `e${position}`, receivedAtUs: microsecondsOf(message.timestamp) }));
  }
  await ensurePartitions(
    database.pool,
    copies.map(({ receivedAtUs }) => receivedAtUs),
  );
  await storeBatch(database.pool, epoch, 0, copies);
}

test('the first start makes the stream, the first epoch and its consumer, which never gives a message up', async () => {
  expect(await align()).toMatchObject({ epoch: 1, base: 0n });
  const { config } = await jsm.consumers.info(names.stream, durableOf(names, 1));
  expect(config).toMatchObject({
    ack_policy: 'explicit',
    max_deliver: -1,
    ack_wait: 10_000_000_000,
    max_ack_pending: 1000,
  });
  expect(await align({ ackWaitMs: 5_000 })).toMatchObject({ epoch: 1 });
  expect((await jsm.consumers.info(names.stream, durableOf(names, 1))).config.ack_wait).toBe(5_000_000_000);
});

test('a database that starts on a stream which is in use counts from the first message that it finds there', async () => {
  await align();
  await send(5);
  await jsm.streams.purge(names.stream, { seq: 4 });
  await database.pool.query('delete from epochs');
  expect(await align()).toMatchObject({ epoch: 1, base: -3n });
});

test('several workers that start at once agree on one epoch', async () => {
  const epochs = await Promise.all([1, 2, 3, 4].map(() => align()));
  expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 1, 1, 1]);
});

test('the progress of another worker during an alignment is not taken for a broker that went back', async () => {
  await align();
  await send(3);
  // While this worker reads the stream, another one stores and reports what came later.
  const slow = {
    ...jsm,
    consumers: jsm.consumers,
    streams: Object.assign(Object.create(jsm.streams), {
      info: async (name: string) => {
        const info = await jsm.streams.info(name);
        await send(2);
        await storeStream(1, 0n);
        await advanceWatermark(database.pool, 1, 5n, 5n);
        return info;
      },
    }),
  } as JetStreamManager;
  expect(await align({ jsm: slow })).toMatchObject({ epoch: 1 });
});

test('a stream made anew opens an epoch above everything known, with a consumer of its own', async () => {
  await align();
  await send(4);
  await storeStream(1, 0n);
  await advanceWatermark(database.pool, 1, 4n, 7n);
  await jsm.streams.delete(names.stream);
  expect(await align()).toMatchObject({ epoch: 2, base: 7n });
  const consumers = await jsm.consumers.list(names.stream).next();
  expect(consumers.map(({ name }) => name)).toEqual([durableOf(names, 2)]);
});

/** Makes the stream look as if it were the one of the epoch: what an older copy of the store does. */
async function disguise(): Promise<void> {
  const { created } = await jsm.streams.info(names.stream);
  await database.pool.query('update epochs set stream_created = $1', [created]);
}

test('a last sequence below what is known opens an epoch', async () => {
  await align();
  await send(4);
  await storeStream(1, 0n);
  await jsm.streams.delete(names.stream);
  await align();
  await database.pool.query('delete from epochs where epoch > 1');
  await disguise();
  await send(2);
  expect(await align()).toMatchObject({ epoch: 2, base: 4n });
});

test('a sequence given out again is found also after the stream has grown beyond what was known', async () => {
  await align();
  await send(4);
  await storeStream(1, 0n);
  await jsm.streams.delete(names.stream);
  await align();
  await database.pool.query('delete from epochs where epoch > 1');
  await disguise();
  await send(9);
  expect(await align()).toMatchObject({ epoch: 2, base: 4n });
});

test('a consumer that is made anew hands out everything that the stream holds, under a name of its own', async () => {
  const { durable } = await align();
  await send(3);
  const again = await align({ notThisConsumer: durable });
  expect(again.durable).not.toBe(durable);
  const consumers = await jsm.consumers.list(names.stream).next();
  expect(consumers.map(({ name, num_pending }) => [name, num_pending])).toEqual([[again.durable, 3]]);
});

test('a consumer that two workers complain of is made anew once', async () => {
  const { durable } = await align();
  const first = await align({ notThisConsumer: durable });
  expect((await align({ notThisConsumer: durable })).durable).toBe(first.durable);
  expect((await align()).durable).toBe(first.durable);
});

test.each([
  { max_deliver: 2 },
  { filter_subject: 'elsewhere.>' },
  { headers_only: true },
  { backoff: [1_000_000_000], max_deliver: 3 },
])('a consumer changed by hand to %j is made anew, with everything that the stream holds', async (change) => {
  await align();
  await send(3);
  const durable = durableOf(names, 1);
  const subject = names.streamSubjects[1] as string;
  await jsm.consumers.update(names.stream, durable, change.filter_subject ? { filter_subject: subject } : change);
  const again = await align();
  expect(again.epoch).toBe(1);
  expect(again.durable).not.toBe(durable);
  const info = await jsm.consumers.info(names.stream, again.durable);
  expect(whyUnsound(info.config)).toBeUndefined();
  expect(info.num_pending).toBe(3);
});

test('a worker that lost the lock in the middle, stopped for too long, leaves consumer and stream alone', async () => {
  await align();
  await send(3);
  await advanceWatermark(database.pool, 1, 3n, 3n);
  const stream = await jsm.streams.info(names.stream);
  // Another one has meanwhile found the stream made anew; what this one has read, it read before.
  const late = {
    ...jsm,
    consumers: jsm.consumers,
    streams: Object.assign(Object.create(jsm.streams), {
      info: async () => {
        await database.pool.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction' and datname = current_database()",
        );
        await jsm.streams.delete(names.stream);
        await align();
        await send(3);
        return stream;
      },
    }),
  } as JetStreamManager;
  const onError = () => undefined;
  const pool = createPool({ url: database.url, name: 'late', max: 3, statementTimeoutMs: 5_000, onError });
  await expect(align({ jsm: late, pool })).rejects.toThrow();
  await pool.end();
  expect((await jsm.streams.info(names.stream)).state.messages).toBe(3);
  const consumers = await jsm.consumers.list(names.stream).next();
  expect(consumers.map(({ name }) => name)).toEqual([durableOf(names, 2)]);
});

test('a message that showed a broker gone back opens an epoch once, not again for a worker that comes late', async () => {
  await align();
  expect(await align({ wentBackIn: 1 })).toMatchObject({ epoch: 2 });
  expect(await align({ wentBackIn: 1 })).toMatchObject({ epoch: 2 });
});

test.each([
  ['2026-11-21T03:04:21.97Z', 1_795_230_261_970_000n],
  ['2026-11-21T03:04:21.970049123Z', 1_795_230_261_970_049n],
  ['2026-11-21T03:04:21Z', 1_795_230_261_000_000n],
])('%s is cut to microseconds', (text, us) => {
  expect(microsecondsOf(text)).toBe(us);
});
