import { type Client, createClient, type ListOptions } from '@eventsieve/client';
import { freePort } from '@eventsieve/embedded/free-port';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem } from './support/system.js';

const event = (topic: string, eventId: string, source: string, timestamp: string, payload: object) => ({
  topic,
  eventId,
  source,
  timestamp,
  payload,
});

let system: System;
let client: Client;
beforeAll(async () => {
  system = await startSystem();
  client = createClient({ gateway: system.gatewayAddress, query: system.queryAddress });
  await client.publish([
    event('list.a', '1', 'shop', '2024-05-01T12:00:00Z', { n: 1, in: { deep: true } }),
    event('list.b', '2', 'till', '2024-05-02T12:00:00Z', { n: 2 }),
    event('list.b', '1', 'shop', '2024-05-03T12:00:00Z', { n: 1 }),
  ]);
});
afterAll(async () => {
  client.close();
  await system.stop();
});

async function read(options: ListOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const { topic, eventId } of client.list(options)) found.push(`${topic} ${eventId}`);
  return found;
}

test.each<[string, ListOptions, string[]]>([
  ['a pattern', { topic: 'list.*' }, ['list.a 1', 'list.b 2', 'list.b 1']],
  ['an exact topic', { topicExact: 'list.*' }, []],
  ['a source', { source: 'shop', order: 'desc' }, ['list.b 1', 'list.a 1']],
  ['an id', { eventId: '1' }, ['list.a 1', 'list.b 1']],
  ['times as text and as a date', { from: '2024-05-02T00:00:00Z', to: new Date('2024-05-03T12:00:00Z') }, ['list.b 2']],
  [
    'the time of receipt',
    { receivedFrom: new Date(Date.now() - 3_600_000), topic: 'list.b' },
    ['list.b 2', 'list.b 1'],
  ],
  ['the time of receipt, before all of them', { receivedTo: '2024-05-01T00:00:00Z' }, []],
  ['a payload', { payload: { in: { deep: true } } }, ['list.a 1']],
  ['a payload as text', { payload: '{"n": 2.0}', pageSize: 1 }, ['list.b 2']],
])('a list takes %s', async (_, options, expected) => {
  expect(await read(options)).toEqual(expected);
});

test('a page says whether its search was stopped', async () => {
  const { value } = await client.pages({ topic: 'list.*' }).next();
  expect(value).toMatchObject({ stopped: false, events: [{}, {}, {}] });
});

test.each<[string, ListOptions]>([
  ['received_from', { receivedFrom: 'yesterday' }],
  ['to', { to: new Date(Number.NaN) }],
  ['payload', { payload: [1] }],
  ['payload', { payload: { n: Number.NaN } }],
  ['payload', { payload: '' }],
  ['limit', { pageSize: 1001 }],
])('a wrong %s is refused by its name', async (field, options) => {
  await expect(read(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', fields: [{ field }] });
});

test('a list that the query service dies in goes on where it was: each event once, in order', async () => {
  const ids = Array.from({ length: 400 }, (_, index) => String(index));
  const events = ids.map((id) => event('long', id, 'shop', '2024-05-01T12:00:00Z', {}));
  await client.publish(events);
  const found: string[] = [];
  for await (const { eventId } of client.list({ topic: 'long', pageSize: 10 })) {
    found.push(eventId);
    if (found.length % 150 > 0) continue;
    await system.query?.kill('SIGKILL');
    // Meanwhile the list goes on, and finds nobody.
    setTimeout(async () => {
      system.query = await system.startQuery();
    }, 300);
  }
  expect(found).toEqual(ids);
});

test('who wants no second try is told of the first failure', async () => {
  const nobody = createClient({ query: `127.0.0.1:${await freePort()}` });
  const begunAtMs = performance.now();
  await expect(nobody.list({ retry: false }).next()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(performance.now() - begunAtMs).toBeLessThan(5_000);
  await nobody.close();
});
