import {
  type Client,
  createClient,
  EventsieveError,
  type Tail,
  type TailedEvent,
  type TailOptions,
} from '@eventsieve/client';
import { freePort } from '@eventsieve/embedded/free-port';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drained } from './support/exactness.js';
import { planCopies, sendAll } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
let client: Client;
beforeAll(async () => {
  system = await startSystem({ environment: { TAIL_PATIENCE: '500ms' } });
  client = createClient({ gateway: system.gatewayAddress, query: system.queryAddress });
});
afterAll(async () => {
  client.close();
  await system.stop();
});

const event = (topic: string, eventId: string, change: object = {}) => ({ topic, eventId, source: 'sdk', ...change });

const publish = (topic: string, ...eventIds: string[]) =>
  client.publish(eventIds.map((eventId) => event(topic, eventId)));

/** So many of its events, and then it is left. */
async function take(tail: Tail, count: number): Promise<TailedEvent[]> {
  const taken: TailedEvent[] = [];
  if (count === 0) return taken;
  for await (const each of tail) {
    taken.push(each);
    if (taken.length === count) break;
  }
  return taken;
}

const idsOf = (events: readonly TailedEvent[]) => events.map(({ eventId }) => eventId);

async function followers(): Promise<number> {
  const text = await (await fetch(`${system.http}/metrics`)).text();
  return Number(/^eventsieve_query_followers (\d+)$/m.exec(text)?.[1]);
}

async function restartQuery(signal: NodeJS.Signals, meanwhile: () => Promise<unknown> = async () => undefined) {
  await system.query?.kill(signal);
  await meanwhile();
  system.query = await system.startQuery();
}

async function failureOf(tail: Tail): Promise<unknown> {
  return tail.next().then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

test('it begins at the start, after a cursor, at a time, or now, and each event has its cursor', async () => {
  const topic = 'begin';
  await publish(topic, 'a', 'b', 'c');
  const all = await take(client.tail({ topic, from: 'start' }), 3);
  expect(idsOf(all)).toEqual(['a', 'b', 'c']);
  expect(all[0]).toMatchObject({ topic, source: 'sdk', payload: {}, payloadJson: '{}', position: expect.any(BigInt) });
  const [first, second] = all as [TailedEvent, TailedEvent];
  expect(idsOf(await take(client.tail({ topic, from: { cursor: first.cursor } }), 2))).toEqual(['b', 'c']);
  expect(idsOf(await take(client.tail({ topic, from: second.receivedAt }), 1))).not.toContain('a');
  await drained(system);
  const later = new Date();
  const now = client.tail({ topic });
  await now.opened();
  await publish(topic, 'd');
  expect(idsOf(await take(now, 1))).toEqual(['d']);
  expect(idsOf(await take(client.tail({ topic, from: later }), 1))).toEqual(['d']);
});

test.each<[string, TailOptions, string[]]>([
  ['a pattern', { topic: 'filter.*' }, ['1', '2', '3']],
  ['an exact topic', { topicExact: 'filter.a' }, ['1', '3']],
  ['a source', { topic: 'filter.>', source: 'till' }, ['2']],
  ['an id', { topic: 'filter.>', eventId: '3' }, ['3']],
  ['the time of the event', { topic: 'filter.>', eventFrom: '2024-05-02T13:00:00Z' }, ['3']],
  ['its end', { topic: 'filter.>', eventTo: new Date('2024-05-02T12:00:00Z') }, ['2']],
  ['a payload', { topic: 'filter.>', payload: { in: { n: 3 } } }, ['3']],
])('it takes %s', async (_, options, expected) => {
  const at = (day: number) => ({ timestamp: `2024-05-0${day}T12:00:00Z`, payload: { in: { n: day } } });
  await client.publish([
    event('filter.a', '1', at(2)),
    event('filter.b', '2', { ...at(1), source: 'till' }),
    event('filter.a', '3', at(3)),
    // Ends each list, so that one that has too much of them is seen.
    ...[options].map(() => event('end', 'end', at(1))),
  ]);
  expect(idsOf(await take(client.tail({ ...options, from: 'start' }), expected.length))).toEqual(expected);
});

test('while every service is killed and started again: each event once, in order, as they are stored', async () => {
  const heard: TailedEvent[] = [];
  const tail = client.tail({ topic: 'auth', from: 'start' });
  const following = (async () => {
    for await (const each of tail) heard.push(each);
  })();
  let done = false;
  const load = sendAll(planCopies(1_000_000, 0.2, 'killed'), {
    connections: 2,
    batchSize: 10,
    makeClient: system.ingest,
    retry: true,
    until: () => done,
  });
  const restarts = [
    () => restartQuery('SIGKILL'),
    async () => {
      await system.gateway.kill('SIGKILL');
      system.gateway = await system.startGateway();
    },
    () => restartQuery('SIGTERM'),
    async () => {
      await system.workers[0]?.kill('SIGKILL');
      system.workers[0] = await system.startWorker();
    },
    () => restartQuery('SIGKILL'),
  ];
  for (const restart of restarts) {
    const before = heard.length;
    await waitUntil('it is given events', () => heard.length > before + 20, { timeoutMs: 60_000 });
    await restart();
  }
  done = true;
  await load;
  await drained(system, 1);
  const { rows } = await system.database.pool.query<{ position: string }>(
    `select position from events where topic = 'auth' order by position`,
  );
  const stored = rows.map(({ position }) => BigInt(position));
  await waitUntil('it was given everything', () => heard.at(-1)?.position === stored.at(-1), { timeoutMs: 60_000 });
  await tail.return();
  await following;
  expect(heard.map(({ position }) => position)).toEqual(stored);
  expect(new Set(heard.map(({ eventId }) => eventId)).size).toBe(heard.length);
}, 180_000);

test('what is stored while the connection is broken is not missed, though nothing had come before', async () => {
  const topic = 'nothing-yet';
  await publish(topic, 'before');
  await drained(system);
  const tail = client.tail({ topic });
  await tail.opened();
  await restartQuery('SIGKILL', () => publish(topic, 'meanwhile'));
  expect(idsOf(await take(tail, 1))).toEqual(['meanwhile']);
});

test('one that begins at a time, and breaks before its first event, goes on with that time', async () => {
  const topic = 'later';
  await publish(topic, 'before');
  const begin = new Date(Date.now() + 2_000);
  const tail = client.tail({ topic, from: begin });
  await tail.opened();
  await restartQuery('SIGKILL');
  await waitUntil('the time has come', () => Date.now() > begin.getTime());
  await publish(topic, 'after');
  expect(idsOf(await take(tail, 1))).toEqual(['after']);
});

test('who is slow holds few of them, is ended by the server, and misses nothing', async () => {
  const topic = 'slow';
  const text = 'x'.repeat(50_000);
  const count = 400;
  for (let i = 0; i < count; i += 50) {
    await client.publish(
      Array.from({ length: 50 }, (_, j) => event(topic, String(i + j).padStart(3, '0'), { payload: { text } })),
    );
  }
  const before = process.memoryUsage();
  const tail = client.tail({ topic, from: 'start' });
  const [first] = [await tail.next()];
  await waitUntil('the server has had enough of it', async () => (await followers()) === 0);
  const { arrayBuffers, external } = process.memoryUsage();
  expect(arrayBuffers + external - before.arrayBuffers - before.external).toBeLessThan(8_000_000);
  const rest = await take(tail, count - 1);
  expect([first?.value.eventId, ...idsOf(rest)]).toEqual(
    Array.from({ length: count }, (_, i) => String(i).padStart(3, '0')),
  );
});

test('break, return() and close() end the call on the server, at once and without an error', async () => {
  await publish('ends', 'a', 'b');
  await waitUntil('nobody follows', async () => (await followers()) === 0);
  await take(client.tail({ topic: 'ends', from: 'start' }), 1);
  await waitUntil('after break nobody follows', async () => (await followers()) === 0);

  const waiting = client.tail({ topic: 'ends' });
  await waiting.opened();
  const next = waiting.next();
  expect(await followers()).toBe(1);
  await waiting.return();
  expect(await next).toEqual({ done: true, value: undefined });
  await waitUntil('after return nobody follows', async () => (await followers()) === 0);

  const other = createClient({ query: system.queryAddress });
  const closed = other.tail({ topic: 'ends' });
  await closed.opened();
  const pending = closed.next();
  other.close();
  expect(await pending).toEqual({ done: true, value: undefined });
  await waitUntil('after close nobody follows', async () => (await followers()) === 0);
});

test('its signal ends it with the reason, also before it began and between two attempts', async () => {
  const gone = new Error('changed my mind');
  expect(await failureOf(client.tail({ signal: AbortSignal.abort(gone) }))).toBe(gone);

  const controller = new AbortController();
  const tail = client.tail({ signal: controller.signal });
  await tail.opened();
  const failure = failureOf(tail);
  controller.abort(gone);
  expect(await failure).toBe(gone);

  const nobody = createClient({ query: `127.0.0.1:${await freePort()}` });
  const retrying = new AbortController();
  const never = failureOf(nobody.tail({ signal: retrying.signal }));
  setTimeout(() => retrying.abort(gone), 300);
  expect(await never).toBe(gone);
  nobody.close();
});

test('what trying again cannot help is thrown, and so is the last failure when attempts are limited', async () => {
  expect(await failureOf(client.tail({ from: { cursor: 'nonsense!' } }))).toMatchObject({
    code: 'INVALID_ARGUMENT',
    fields: [{ field: 'cursor' }],
  });
  expect(await failureOf(client.tail({ from: 'yesterday' }))).toMatchObject({ fields: [{ field: 'from' }] });
  expect(await failureOf(client.tail({ eventFrom: 'yesterday' }))).toMatchObject({ fields: [{ field: 'event_from' }] });
  const nobody = createClient({ query: `127.0.0.1:${await freePort()}` });
  const limited = nobody.tail({ maxFailures: 2 });
  await expect(limited.opened()).rejects.toBeInstanceOf(EventsieveError);
  nobody.close();
});
