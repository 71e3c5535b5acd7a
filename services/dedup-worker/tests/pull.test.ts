import { randomBytes } from 'node:crypto';
import { pullSubjectOf } from '@eventsieve/contract/names';
import { connect, headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { type Pull, startPull } from '../src/pull.js';

let connection: NatsConnection;
let name: string;
let pull: Pull;
let asked: { readonly batch: number; readonly reply: string }[];
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
      asked.push({ ...message.json<{ batch: number }>(), reply: message.reply ?? '' });
    },
  });
});
afterEach(() => pull.stop());

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
