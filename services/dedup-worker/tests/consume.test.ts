import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
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

function start(limits: Partial<ConsumeOptions> = {}): void {
  consuming = startConsuming({
    connection,
    stream: name,
    durable: name,
    mostAtOnce: Number.POSITIVE_INFINITY,
    batchSize: 4,
    maxBatchBytes: 1024,
    batchesInFlight: 2,
    lingerMs: 60_000,
    ackWaitMs: 30_000,
    settle: (messages: readonly Msg[], slot) =>
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
const untilBegunAtLeast = (count: number) =>
  waitUntil(`${count} batches have begun`, () => Promise.resolve(batches.length >= count));
const untilBegun = (count: number) =>
  waitUntil(`${count} batches have begun`, () => Promise.resolve(batches.length === count));

test('a message that finds nothing under way is not kept waiting; what comes meanwhile goes together when that ends', async () => {
  start();
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
  start();
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

test('as many bytes as a batch may have fill it', async () => {
  start({ batchSize: 100 });
  const large = 'x'.repeat(600);
  await send('a');
  await untilBegun(1);
  await send(large, large, large, large, large);
  await untilBegun(2);
  expect(batches[1]?.bodies).toEqual([large]);
  await buffered(4);
});

const came = () => batches.flatMap(({ bodies }) => bodies);

async function endUntilCame(count: number): Promise<void> {
  for (let ended = 0; came().length < count; ended++) {
    await untilBegunAtLeast(ended + 1);
    batches[ended]?.end();
  }
}

const handedOut = async () => (await jsm.consumers.info(name, name)).num_ack_pending;

test('while nothing can be stored the broker keeps what there is no room for, by bytes', async () => {
  start({ batchSize: 100 });
  const messages = 100;
  const large = 'x'.repeat(400_000);
  await send(...Array.from({ length: messages }, () => large));
  await untilBegun(2);
  // One request's worth, which is as much as the largest message that the broker takes, and another one's at most.
  const atMost = 2 * Math.ceil((connection.info?.max_payload ?? 0) / large.length) + batches.length;
  expect(atMost).toBeLessThan(messages / 2);
  await delay(500);
  expect(await handedOut()).toBeGreaterThan(2);
  expect(await handedOut()).toBeLessThanOrEqual(atMost);
  await endUntilCame(messages);
});

test('while nothing can be stored the broker keeps what there is no room for, by count; it comes when there is room', async () => {
  start();
  const bodies = Array.from({ length: 60 }, (_, index) => String(index));
  await send(...bodies);
  await untilBegun(2);
  await delay(500);
  // Two batches, a third one that waits, and a fourth one that was on its way when that was full.
  expect(await handedOut()).toBeLessThanOrEqual(16);
  await endUntilCame(bodies.length);
  expect(came()).toEqual(bodies);
});

test('what waits here when it is stopped, and what is on its way, is handed out again at once', async () => {
  const bodies = Array.from({ length: 2_000 }, (_, index) => String(index));
  await Promise.all(bodies.map((body) => jetstream(connection).publish(name, body)));
  const given = new Set<string>();
  let stopped: Promise<void> | undefined;
  start({
    batchSize: 500,
    // The first read of the socket has brought some; the others are still coming.
    settle: async (messages) => {
      for (const message of messages) given.add(message.string());
      stopped ??= consuming.stop();
    },
  });
  await waitUntil('it is being stopped', () => Promise.resolve(stopped !== undefined));
  await stopped;
  // Within less time than it would take the broker to find out by itself.
  const another = await jetstream(connection).consumers.get(name, name);
  const left = bodies.filter((body) => !given.has(body));
  const cameAgain: string[] = [];
  for await (const message of await another.fetch({ max_messages: left.length, expires: 5_000 })) {
    cameAgain.push(message.string());
    message.ack();
  }
  expect(cameAgain.sort()).toEqual(left.sort());
});

test('it says so when the consumer is removed', async () => {
  const lost: string[] = [];
  start({ onLost: (why) => lost.push(why) });
  await send('a');
  await untilBegun(1);
  await jsm.consumers.delete(name, name);
  await waitUntil('it is told', () => Promise.resolve(lost.length > 0));
  expect(lost).toEqual([expect.stringContaining('Consumer Deleted')]);
});

test('it says so when there is no such consumer', async () => {
  const lost: string[] = [];
  start({ durable: 'none', onLost: (why) => lost.push(why) });
  await waitUntil('it is told', () => Promise.resolve(lost.length > 0));
  // Older servers do not say so, they say nothing.
  expect(lost).toEqual([expect.stringMatching(/nobody answers for the consumer|says nothing any more/)]);
});

test('when a batch takes its time, what waits does not', async () => {
  start({ lingerMs: 50 });
  await send('a');
  await untilBegun(1);
  await send('b');
  await untilBegun(2);
  expect(begun()).toEqual(['a', 'b']);
  expect(consuming.load().batchesUnderWay).toBe(2);
});
