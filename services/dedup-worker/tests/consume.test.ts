import { randomBytes } from 'node:crypto';
import { type JetStreamManager, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { type ConsumeOptions, type Consuming, startConsuming } from '../src/consume.js';

let connection: NatsConnection;
let jsm: JetStreamManager;
let name: string;
let consuming: Consuming;
let batches: { readonly bodies: string[]; readonly slot: number; end(): void }[];

beforeAll(async () => {
  connection = await connect({ servers: inject('natsUrl') });
  jsm = await jetstreamManager(connection);
});
afterAll(() => connection.close());

beforeEach(async () => {
  name = `c${randomBytes(4).toString('hex')}`;
  batches = [];
  await jsm.streams.add({ name, subjects: [name], retention: 'workqueue' });
  await jsm.consumers.add(name, { durable_name: name, ack_policy: 'explicit', max_ack_pending: 1000 });
});
afterEach(async () => {
  consuming.drop();
  await jsm.streams.delete(name);
});

async function start(limits: Partial<ConsumeOptions> = {}): Promise<void> {
  consuming = await startConsuming({
    consumer: await jetstream(connection).consumers.get(name, name),
    logger: pino({ level: 'silent' }),
    batchSize: 4,
    maxBatchBytes: 1024,
    batchesInFlight: 2,
    lingerMs: 60_000,
    ackWaitMs: 30_000,
    settle: (messages: readonly JsMsg[], slot) =>
      new Promise<void>((resolve) => {
        batches.push({ bodies: messages.map((message) => message.string()), slot, end: resolve });
      }),
    onLost: () => undefined,
    ...limits,
  });
}

async function send(...bodies: string[]): Promise<void> {
  for (const body of bodies) await jetstream(connection).publish(name, body);
}

const begun = () => batches.map(({ bodies }) => bodies.join(' '));
const buffered = (count: number) =>
  waitUntil(`${count} messages wait`, () => Promise.resolve(consuming.load().messagesBuffered === count));
const untilBegun = (count: number) =>
  waitUntil(`${count} batches have begun`, () => Promise.resolve(batches.length === count));

test('a message that finds nothing under way is not kept waiting; what comes meanwhile goes together when that ends', async () => {
  await start();
  await send('a');
  await untilBegun(1);
  await send('b', 'c');
  await buffered(2);
  expect(begun()).toEqual(['a']);
  batches[0]?.end();
  await untilBegun(2);
  expect(begun()).toEqual(['a', 'b c']);
});

test('a full batch begins beside another one, and no more of them than there may be', async () => {
  await start();
  await send('a');
  await untilBegun(1);
  await send('1', '2', '3', '4', '5', '6', '7', '8');
  await untilBegun(2);
  expect(begun()).toEqual(['a', '1 2 3 4']);
  expect(new Set(batches.map(({ slot }) => slot)).size).toBe(2);
  await buffered(4);
  batches[1]?.end();
  await untilBegun(3);
  expect(begun()).toEqual(['a', '1 2 3 4', '5 6 7 8']);
});

test('as many bytes as a batch may have fill it, and no more of them are kept here', async () => {
  await start({ batchSize: 100 });
  const large = 'x'.repeat(600);
  await send('a');
  await untilBegun(1);
  await send(large, large, large, large, large);
  await untilBegun(2);
  expect(batches[1]?.bodies).toEqual([large]);
  await buffered(2);
});

test('when a batch takes its time, what waits does not', async () => {
  await start({ lingerMs: 50 });
  await send('a');
  await untilBegun(1);
  await send('b');
  await untilBegun(2);
  expect(begun()).toEqual(['a', 'b']);
  expect(consuming.load().batchesUnderWay).toBe(2);
});
