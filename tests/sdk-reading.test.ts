import { type Client, createClient, type NamedCounts } from '@eventsieve/client';
import { freePort } from '@eventsieve/embedded/free-port';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drained } from './support/exactness.js';
import { refuseMarked } from './support/refuse-marked.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
let client: Client;
let lift: () => Promise<unknown>;
let dead: Readonly<Record<string, bigint>>;
const begin = new Date();

const event = (topic: string, eventId: string, source: string, payload: object) => ({
  topic,
  eventId,
  source,
  payload,
});

beforeAll(async () => {
  system = await startSystem();
  client = createClient({ gateway: system.gatewayAddress, query: system.queryAddress });
  lift = await refuseMarked(system.database.pool);
  await client.publish([
    event('read.a', '1', 'shop', { n: 1 }),
    event('read.a', '2', 'till', { n: 2 }),
    event('read.b', '1', 'shop', { n: 3 }),
  ]);
  await client.publish([event('read.a', '1', 'shop', { n: 1 }), event('read.a', '1', 'shop', { n: 9 })]);
  const { results } = await client.publish(['x', 'y', 'z'].map((id) => event('dead', id, 'shop', { marked: true })));
  expect(results.map(({ outcome }) => outcome)).toEqual(['dead_lettered', 'dead_lettered', 'dead_lettered']);
  dead = Object.fromEntries(results.map(({ eventId, position = 0n }) => [eventId, position]));
  await drained(system);
});
afterAll(async () => {
  await client?.close();
  await system?.stop();
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test('counts are given for each topic and each source, over as many pages as it takes', async () => {
  const short = ({ name, received, uniqueProcessed, duplicateDropped, conflicts, deadLettered }: NamedCounts) =>
    [name, received, uniqueProcessed, duplicateDropped, conflicts, deadLettered].join(' ');
  expect((await all(client.statsBy('topic', { pageSize: 1 }))).map(short)).toEqual([
    'dead 3 0 0 0 3',
    'read.a 4 2 2 1 0',
    'read.b 1 1 0 0 0',
  ]);
  const bySource = async (options = {}) => (await all(client.statsBy('source', options))).map(short);
  await waitUntil('all is counted by source', async () => (await client.duplicates()).behind === 0);
  expect(await bySource()).toEqual(['shop 4 2 2 1 0', 'till 1 1 0 0 0']);
  expect(await bySource({ topic: 'read.b' })).toEqual(['shop 1 1 0 0 0']);
  await expect(all(client.statsBy('colour' as 'topic'))).rejects.toMatchObject({ fields: [{ field: 'group' }] });
});

test('counts over time have a point for each step, and totals', async () => {
  const { points, totals } = await client.statsSeries({ topic: 'read.a', from: begin });
  expect(totals).toMatchObject({ received: 4, uniqueProcessed: 2, duplicateDropped: 2, conflicts: 1 });
  expect(points[0]?.begin).toBe(`${begin.toISOString().slice(0, 16)}:00Z`);
  expect(points.reduce((sum, { received }) => sum + received, 0)).toBe(4);
  const days = await client.statsSeries({ step: '1d', from: '2024-01-01T00:00:00Z', to: '2024-01-04T00:00:00Z' });
  expect(days.points.map(({ begin: day }) => day.slice(0, 10))).toEqual(['2024-01-01', '2024-01-02', '2024-01-03']);
  expect(days.points[0]).toMatchObject({ received: 0, deadLettered: 0, redriven: 0 });
  const wrong = client.statsSeries({ from: 'yesterday', step: '1y' as '1d' });
  await expect(wrong).rejects.toMatchObject({ fields: [{ field: 'step' }, { field: 'from' }] });
});

test('duplicates name who repeats, after how long, and both sides of a conflict', async () => {
  await waitUntil('all is counted by source', async () => (await client.duplicates()).behind === 0);
  const { sources, gaps, window, conflicts, nextCursor } = await client.duplicates({ topic: 'read.a' });
  expect(sources).toEqual([{ source: 'shop', topic: 'read.a', uniqueProcessed: 1, duplicateDropped: 2, conflicts: 1 }]);
  expect(gaps.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(2);
  expect(window).toEqual({ suggestedMs: expect.any(Number), covered: 1 });
  expect(conflicts).toMatchObject([
    { topic: 'read.a', eventId: '1', stored: { payload: { n: 1 } }, refused: { payload: { n: 9 }, source: 'shop' } },
  ]);
  expect(nextCursor).toBeUndefined();
  expect(await client.duplicates({ topic: 'read.b' })).toEqual({ sources: [], gaps: [], conflicts: [], behind: 0 });
});

test('a reset begins to count anew, and the lifetime stays', async () => {
  const before = await client.stats();
  const { since } = await client.resetStats();
  const after = await client.stats();
  expect(after).toMatchObject({ since, received: 0, lifetime: before.lifetime });
  expect(before.lifetime.received).toBe(8);
});

test('a reconciliation says up to where it looked', async () => {
  const { ok, watermark, lastPosition, counters, rows } = await client.reconcile();
  expect(ok).toBe(true);
  expect(watermark).toBeGreaterThanOrEqual(dead.z as bigint);
  expect(lastPosition).toBeGreaterThanOrEqual(watermark);
  expect(counters).toEqual(rows);
});

test('dead letters are listed by what is asked for, and read with their bytes', async () => {
  const { deadLetters } = client;
  const listed = await all(deadLetters.list({ topic: 'dead', pageSize: 2 }));
  expect(listed.map(({ eventId, position }) => [eventId, position])).toEqual(Object.entries(dead));
  expect(listed[0]).toEqual({
    position: dead.x,
    topic: 'dead',
    eventId: 'x',
    subject: expect.stringContaining('.events.'),
    bodyBytes: expect.any(Number),
    code: '22023',
    reason: 'marked payloads are refused',
    attempts: 1,
    receivedAt: expect.stringMatching(/Z$/),
    deadLetteredAt: expect.stringMatching(/Z$/),
    state: 'open',
  });
  const ids = async (options: object) => (await all(deadLetters.list(options))).map(({ eventId }) => eventId);
  expect(await ids({ order: 'desc' })).toEqual(['z', 'y', 'x']);
  expect(await ids({ eventId: 'y', code: '22023', state: 'open', from: begin })).toEqual(['y']);
  expect(await ids({ to: begin })).toEqual([]);
  expect(await ids({ state: 'discarded' })).toEqual([]);
  await expect(ids({ state: 'lost', from: 'yesterday' })).rejects.toMatchObject({
    fields: [{ field: 'filter.state' }, { field: 'filter.from' }],
  });

  const whole = await deadLetters.get(dead.x as bigint);
  expect(whole).toMatchObject({ ...listed[0], copy: { source: 'shop', payloadText: '{"marked":true}' } });
  expect(whole?.body).toHaveLength(listed[0]?.bodyBytes as number);
  expect(Buffer.from(whole?.body ?? []).toString()).toContain('marked');
  expect(await deadLetters.get(123_456_789n)).toBeUndefined();
});

test('dead letters are redriven or discarded, by position or filter, once it is not just a try', async () => {
  const { deadLetters } = client;
  const { x = 0n, y = 0n, z = 0n } = dead;
  expect(await deadLetters.redrive({ topic: 'dead' }, { dryRun: true })).toMatchObject({ matched: 3, sent: 0 });
  expect(await deadLetters.discard([y], { dryRun: true })).toEqual({ matched: 1, positions: [y] });
  expect(await deadLetters.discard([y])).toEqual({ matched: 1, positions: [y] });
  expect(await deadLetters.get(y)).toMatchObject({ state: 'discarded', stateSince: expect.stringMatching(/Z$/) });

  const again = await deadLetters.redrive({ eventId: 'z' });
  expect(again).toMatchObject({ matched: 1, sent: 1, results: [{ position: z, outcome: 'dead_lettered' }] });
  expect(await deadLetters.get(z)).toMatchObject({ state: 'redriven', redriveOutcome: 'dead_lettered' });
  expect((await all(deadLetters.list({ eventId: 'z', state: 'open' })))[0]).toMatchObject({ redriveOf: z });

  await lift();
  const { results } = await deadLetters.redrive([x, z]);
  expect(results).toMatchObject([
    { position: x, outcome: 'stored', redrivenPosition: expect.any(BigInt) },
    { position: z, error: { message: 'was sent through again before' } },
  ]);
  expect(results[1]).not.toHaveProperty('outcome');
  expect(await client.get('dead', 'x')).toMatchObject({ status: 'stored' });
  await expect(deadLetters.redrive([])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('what one event or a topic carried is erased, and never a topic by mistake', async () => {
  await client.publish(['1', '2', '3'].map((id) => event('gone', id, 'shop', { secret: id })));
  await client.publish(event('gone', '1', 'shop', { other: 1 }));
  const conflict = await waitUntil('the conflict is told', async () => {
    return (await client.duplicates({ topic: 'gone' })).conflicts[0];
  });
  expect(conflict.stored).toMatchObject({ payload: { secret: '1' } });
  expect(await client.erase('gone', '1')).toEqual({ erased: 1 });
  const gone = { expired: true, position: expect.any(BigInt), receivedAt: expect.stringMatching(/Z$/) };
  const { conflicts } = await client.duplicates({ topic: 'gone' });
  expect(conflicts).toEqual([{ topic: 'gone', eventId: '1', stored: gone, refused: gone }]);
  expect(await client.get('gone', '1')).toMatchObject({ status: 'expired' });
  expect(await client.get('gone', '2')).toMatchObject({ status: 'stored' });
  for (const missing of ['', undefined, null]) {
    await expect(client.erase('gone', missing as string)).rejects.toMatchObject({ fields: [{ field: 'event_id' }] });
  }
  expect(await client.get('gone', '3')).toMatchObject({ status: 'stored' });
  expect(await client.eraseTopic('gone')).toEqual({ erased: 2 });
  expect(await client.erase('gone', 'never')).toBeUndefined();
  expect(await client.eraseTopic('never')).toBeUndefined();
});

test('health says which of the two servers serves, and why one does not answer', async () => {
  const { gatewayAddress, queryAddress } = system;
  expect(await client.health()).toEqual({
    ok: true,
    gateway: { address: gatewayAddress, status: 'serving', parts: { nats: true } },
    query: { address: queryAddress, status: 'serving', parts: { postgres: true, nats: true } },
  });
  const gateway = `127.0.0.1:${await freePort()}`;
  const half = createClient({ gateway, query: queryAddress });
  expect(await half.health()).toMatchObject({
    ok: false,
    gateway: {
      status: 'unreachable',
      parts: {},
      error: { code: 'UNAVAILABLE', message: expect.stringContaining(gateway) },
    },
    query: { status: 'serving' },
  });
  await half.close();
});
