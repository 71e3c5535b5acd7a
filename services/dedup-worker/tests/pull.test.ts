import { randomBytes } from 'node:crypto';
import { pullSubjectOf } from '@eventsieve/contract/names';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test, vi } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { type Pull, startPull } from '../src/pull.js';

let connection: NatsConnection;
let name: string;
let pull: Pull;
let asked: { readonly batch: number; readonly max_bytes: number; readonly reply: string }[];
let got: Msg[];
let lost: string[];

// In the place of a consumer, to answer as one does when something goes wrong.
beforeAll(async () => {
  connection = await connect({ servers: inject('natsUrl') });
});
afterAll(() => connection.close());
beforeEach(() => {
  name = `p${randomBytes(4).toString('hex')}`;
  [asked, got, lost] = [[], [], []];
  connection.subscribe(pullSubjectOf(name, name), {
    callback(_, message) {
      asked.push({ ...message.json<{ batch: number; max_bytes: number }>(), reply: message.reply ?? '' });
    },
  });
});
afterEach(() => {
  pull.stop();
  vi.restoreAllMocks();
});

function start(heartbeatMs = 60_000): void {
  pull = startPull({
    connection,
    stream: name,
    durable: name,
    mostMessages: 10,
    mostBytes: 1024,
    hasRoom: () => true,
    onMessage: (message) => got.push(message),
    onLost: (why) => lost.push(why),
    heartbeatMs,
  });
}

const untilAsked = (times: number) =>
  waitUntil(`it has asked ${times} times`, () => Promise.resolve(asked.length === times));
const untilLost = () => waitUntil('it is lost', () => Promise.resolve(lost.length > 0));

function say(code: number, description: string, pending?: number): void {
  const said = headers(code, description);
  if (pending !== undefined) said.set('Nats-Pending-Messages', String(pending));
  connection.publish(asked[0]?.reply ?? '', '', { headers: said });
}

test.each([
  [408, 'Request Timeout'],
  [409, 'Message Size Exceeds MaxBytes'],
])('what a request did not bring when it ended is asked for again: %i %s', async (code, description) => {
  start();
  await untilAsked(1);
  say(code, description, 7);
  await untilAsked(2);
  expect(asked.map(({ batch }) => batch)).toEqual([10, 7]);
  expect(lost).toEqual([]);
});

test.each([
  [409, 'Leadership Change'],
  [400, 'Bad Request'],
])('whatever else ends it is told: %i %s', async (code, description) => {
  start();
  await untilAsked(1);
  say(code, description);
  await untilLost();
  expect(lost).toEqual([`the pull ended: ${code} ${description}`]);
});

test('a broker that says nothing any more is not waited for; as long as it does, it is', async () => {
  start(100);
  await untilAsked(1);
  for (let beats = 0; beats < 10; beats++) {
    say(100, 'Idle Heartbeat');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(lost).toEqual([]);
  await untilLost();
  expect(lost).toEqual(['the broker says nothing any more']);
});

test('a request that has ended without a word is made again before the broker is given up', async () => {
  start(200);
  await untilAsked(1);
  await untilAsked(2);
  expect(asked.map(({ batch }) => batch)).toEqual([10, 10]);
  for (let beats = 0; beats < 5; beats++) {
    say(100, 'Idle Heartbeat');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect([asked.length, lost]).toEqual([2, []]);
});

test('requests differ in their bytes, so that not each of them is used up to the last by messages of one size', async () => {
  start();
  for (let times = 1; times < 5; times++) {
    await untilAsked(times);
    say(408, 'Request Timeout', 10);
  }
  await untilAsked(5);
  expect(new Set(asked.map(({ max_bytes: bytes }) => bytes)).size).toBeGreaterThan(1);
});

test('a real broker says nothing of a request whose bytes are used up to the last: more is asked for all the same', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
  const jsm = await jetstreamManager(connection);
  const real = `r${randomBytes(4).toString('hex')}`;
  await jsm.streams.add({ name: real, subjects: [real], retention: 'workqueue' });
  await jsm.consumers.add(real, { durable_name: real, ack_policy: 'explicit', max_ack_pending: 1_000 });
  const most = (connection.info?.max_payload ?? 0) + 16 * 1024;
  const sizeOf = ({ subject, reply = '', data }: Msg) => subject.length + reply.length + data.length;
  pull = startPull({
    connection,
    stream: real,
    durable: real,
    mostMessages: 10,
    mostBytes: 1024,
    hasRoom: () => true,
    onMessage(message) {
      got.push(message);
      message.respond('+ACK');
    },
    onLost: (why) => lost.push(why),
    heartbeatMs: 300,
  });
  const js = jetstream(connection);
  const untilGot = (count: number) => waitUntil(`${count} have come`, () => got.length === count);
  const half = Math.floor(most / 2);
  await js.publish(real, Buffer.alloc(half));
  await untilGot(1);
  const first = sizeOf(got[0] as Msg);
  // What stands beside the payload is as long as with the first one.
  await js.publish(real, Buffer.alloc(most - first - (first - half)));
  await untilGot(2);
  expect(first + sizeOf(got[1] as Msg)).toBe(most);
  for (let i = 0; i < 3; i++) await js.publish(real, 'small');
  await untilGot(5);
  expect(lost).toEqual([]);
  await jsm.streams.delete(real);
});
