import { type Client, createClient, EventsieveError, type NewEvent } from '@eventsieve/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem } from './support/system.js';

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
