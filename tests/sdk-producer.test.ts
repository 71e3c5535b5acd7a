import { setTimeout } from 'node:timers/promises';
import { type Client, createClient, EventsieveError, type NewEvent } from '@eventsieve/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
let client: Client;

beforeAll(async () => {
  system = await startSystem();
  client = createClient({ gateway: system.gatewayAddress, query: system.queryAddress });
});
afterAll(async () => {
  await client.close();
  await system.stop();
});

const event = (topic: string, eventId: string, change: Partial<NewEvent> = {}) =>
  ({ topic, eventId, source: 'producer', payload: { amount: 12.5 }, ...change }) as NewEvent;

/** What became of each send, in a word. */
async function endings(sends: readonly Promise<{ outcome: string; eventId: string }>[]): Promise<string[]> {
  const settled = await Promise.allSettled(sends);
  return settled.map((each) => {
    if (each.status === 'fulfilled') return `${each.value.eventId} ${each.value.outcome}`;
    expect(each.reason).toBeInstanceOf(EventsieveError);
    return each.reason.message;
  });
}

test('each send has the verdict of its own event, whoever travels with it', async () => {
  const producer = client.producer({ maxBatch: 4, maxInFlight: 1 });
  await producer.send(event('own', 'old'));
  const sends = ['a', 'b', 'a', 'old', 'c'].map((id) => producer.send(event('own', id)));
  sends.push(producer.send(event('own', 'b', { payload: { amount: 0 } })));
  expect(await endings(sends)).toEqual([
    'a stored',
    'b stored',
    'a duplicate',
    'old duplicate',
    'c stored',
    'b conflict',
  ]);
  await producer.close();
});

test('a bad event fails alone, whether the client or the gateway refuses it', async () => {
  const producer = client.producer({ lingerMs: 20 });
  const sends = [
    producer.send(event('bad', 'before')),
    producer.send(event('bad', 'nan', { payload: { price: Number.NaN } })),
    producer.send(event('', 'topic')),
    producer.send(event('bad', 'large', { payload: { text: 'x'.repeat(600 * 1024) } })),
    producer.send(event('bad', 'huge', { payload: { text: 'x'.repeat(20 * 1024 ** 2) } })),
    producer.send(event('bad', 'after')),
  ];
  expect(await endings(sends)).toEqual([
    'before stored',
    'payload: cannot be JSON: "price" is NaN',
    expect.stringMatching(/^topic: is required/),
    expect.stringMatching(/^payload: has \d+ bytes, more than/),
    expect.stringMatching(/message larger than max/),
    'after stored',
  ]);
  await producer.close();
});

test('what travels is read with what was left open filled in once: id and time', async () => {
  const before = Date.now();
  const producer = client.producer();
  const { eventId: _, ...anonymous } = event('open', '');
  const [first, second] = await Promise.all([producer.send(anonymous), producer.send(anonymous)]);
  await producer.close();
  expect([first?.outcome, second?.outcome]).toEqual(['stored', 'stored']);
  const found = await client.get('open', first?.eventId ?? '');
  if (found?.status !== 'stored') throw new Error(`it is ${found?.status}`);
  expect(Date.parse(found.event.timestamp)).toBeGreaterThanOrEqual(before);
  expect(Date.parse(found.event.timestamp)).toBeLessThanOrEqual(Date.now());
});

test('while the gateway stands still no more is held than is allowed, and all of it goes on afterwards', async () => {
  const maxBufferedBytes = 300_000;
  const producer = client.producer({ maxBufferedBytes, wait: 'broker', maxInFlight: 2 });
  const sends: Promise<{ outcome: string }>[] = [];
  const planned = 3_000;
  system.gateway.child.kill('SIGSTOP');
  const sending = (async () => {
    for (let index = 0; index < planned; index++) {
      await producer.ready();
      sends.push(producer.send(event('still', `e${index}`)));
    }
  })();
  let ready = true;
  try {
    await waitUntil('there is no room any more', async () => {
      ready = await Promise.race([producer.ready().then(() => true), setTimeout(50, false)]);
      return !ready;
    });
    expect(producer.bufferedBytes).toBeGreaterThan(maxBufferedBytes * 0.9);
    expect(producer.bufferedBytes).toBeLessThan(maxBufferedBytes * 1.1);
    expect(sends.length).toBeLessThan(planned / 2);
  } finally {
    system.gateway.child.kill('SIGCONT');
  }
  await sending;
  await producer.flush();
  const outcomes = (await Promise.all(sends)).map(({ outcome }) => outcome);
  expect(new Set(outcomes)).toEqual(new Set(['accepted']));
  expect(outcomes).toHaveLength(planned);
  expect(producer.bufferedBytes).toBe(0);
  await producer.close();
});
