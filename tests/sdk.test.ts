import { type Client, createClient, EventsieveError, type NewEvent } from '@eventsieve/client';
import { freePort } from '@eventsieve/embedded/free-port';
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
  ({ topic, eventId, source: 'sdk', payload: { amount: 12.5, items: ['a', null] }, ...change }) as NewEvent;

async function failureOf(call: Promise<unknown>): Promise<EventsieveError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EventsieveError);
  return error as EventsieveError;
}

/** What is known of it once everything that was sent before is stored: until then it may still be on its way. */
async function settled(topic: string, eventId: string) {
  const { found } = await waitUntil('it is known what became of it', async () => {
    const looked = await client.get(topic, eventId);
    return looked?.status === 'pending' ? undefined : { found: looked };
  });
  return found;
}

test('one event is stored, its repeat a duplicate of a known age, its forgery a conflict', async () => {
  const before = Date.now();
  const first = await client.publish(event('one', 'a'));
  expect(first).toEqual({ topic: 'one', eventId: 'a', outcome: 'stored', position: expect.any(BigInt) });
  const repeat = await client.publish(event('one', 'a'));
  expect(repeat).toMatchObject({ outcome: 'duplicate', firstSeenAt: expect.stringMatching(/^\d{4}-.*Z$/) });
  expect(repeat.position).toBeGreaterThan(first.position as bigint);
  expect(Date.parse(repeat.firstSeenAt ?? '')).toBeGreaterThanOrEqual(before - 1);
  expect(await client.publish(event('one', 'a', { payload: { amount: 0 } }))).toMatchObject({ outcome: 'conflict' });
});

test('several events have their verdicts in their order, and sums', async () => {
  const answer = await client.publish([event('many', '1'), event('many', '2'), event('many', '1')]);
  expect(answer).toMatchObject({ received: 3, accepted: 2, inserted: 2, duplicates: 1, conflicts: 0, rejected: 0 });
  expect(answer.results.map(({ eventId, outcome }) => `${eventId} ${outcome}`)).toEqual([
    '1 stored',
    '2 stored',
    '1 duplicate',
  ]);
});

test('who waits for the broker only is told accepted', async () => {
  expect(await client.publish(event('broker', 'a'), { wait: 'broker' })).toMatchObject({ outcome: 'accepted' });
});

test('with allowPartial a bad event has its own verdict, without it all are refused', async () => {
  const events = [event('partial', 'a'), event('', 'b')];
  const refused = await failureOf(client.publish(events));
  expect(refused).toMatchObject({ code: 'INVALID_ARGUMENT', retryable: false, fields: [{ index: 1, field: 'topic' }] });
  expect(refused.message).toMatch(/^events\[1\]\.topic: /);
  expect(await settled('partial', 'a')).toBeUndefined();

  const { results, rejected } = await client.publish(events, { allowPartial: true });
  expect(rejected).toBe(1);
  expect(results).toMatchObject([{ outcome: 'stored' }, { outcome: 'rejected', error: { field: 'topic' } }]);
});

test('an event comes back as it was sent: digits, time to the microsecond, position', async () => {
  const payloadJson = '{"n": 12345678901234567890123, "rate": 0.1}';
  const timestamp = '2024-05-01T14:00:00.123456+02:00';
  const sent = await client.publish({ topic: 'exact', eventId: 'ä/1', source: 'sdk', timestamp, payloadJson });
  expect(await client.get('exact', 'ä/1')).toEqual({
    status: 'stored',
    event: {
      topic: 'exact',
      eventId: 'ä/1',
      source: 'sdk',
      timestamp: '2024-05-01T12:00:00.123456Z',
      payload: JSON.parse(payloadJson),
      payloadJson,
      position: sent.position,
      receivedAt: expect.stringMatching(/Z$/),
    },
  });
  const date = new Date('1969-12-31T23:59:59.250Z');
  await client.publish(event('exact', 'date', { timestamp: date }));
  expect(await client.get('exact', 'date')).toMatchObject({ event: { timestamp: '1969-12-31T23:59:59.250Z' } });
});

test('a list goes over all pages, in either order, and on from a cursor', async () => {
  const ids = Array.from({ length: 25 }, (_, index) => `e${index}`);
  await client.publish(ids.map((id) => event('list', id)));
  const read = async (options: object) => {
    const found: string[] = [];
    for await (const { eventId } of client.list({ topic: 'list', ...options })) found.push(eventId);
    return found;
  };
  expect(await read({ pageSize: 10 })).toEqual(ids);
  expect(await read({ pageSize: 7, order: 'desc' })).toEqual([...ids].reverse());
  expect(await read({ source: 'nobody' })).toEqual([]);
  const { value: page } = await client.pages({ topic: 'list', pageSize: 10 }).next();
  expect(await read({ cursor: page?.nextCursor })).toEqual(ids.slice(10));
});

test('stats are numbers that add up, and the books are straight', async () => {
  await client.publish([event('stats', 'a'), event('stats', 'a')]);
  const { topics, since, lifetime, queueSize, uptimeSeconds, ...counts } = await client.stats();
  expect(counts.received + counts.redriven).toBe(
    counts.uniqueProcessed + counts.duplicateDropped + counts.deadLettered + counts.inFlight,
  );
  expect(counts.duplicateDropped).toBeGreaterThan(0);
  expect({ lifetime, queueSize }).toEqual({ lifetime: counts, queueSize: 0 });
  expect(topics).toContain('stats');
  expect(uptimeSeconds).toBeGreaterThan(0);
  expect(Date.parse(since)).not.toBeNaN();
  expect(await client.reconcile()).toMatchObject({ ok: true, differences: [], brokerChecked: true });
});

test.each([
  ['a payload that JSON would change', { payload: { price: Number.NaN } }, 'payload'],
  ['a payload that JSON cannot hold', { payload: { big: 1n } }, 'payload'],
  ['a payload that is a list', { payload: [1] }, 'payload'],
  ['a time that is none', { timestamp: '2024-02-30T00:00:00Z' }, 'timestamp'],
  ['an invalid Date', { timestamp: new Date(Number.NaN) }, 'timestamp'],
  ['an id that is a number', { eventId: 5 }, 'event_id'],
  ['half a character', { topic: 'a\ud800' }, 'topic'],
  ['a payload that is no JSON', { payload: undefined, payloadJson: '{"a":}' }, 'payload.a'],
])('%s is refused by field, and nothing is sent', async (_, change, field) => {
  const bad = { ...event('bad', 'b'), ...change } as NewEvent;
  const error = await failureOf(client.publish([event('bad', 'good'), bad]));
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', retryable: false });
  expect(error.fields).toMatchObject([{ index: 1, field }]);
  expect(await settled('bad', 'good')).toBeUndefined();
});

test('a server that is not there may be tried again, a request that is too large may not', async () => {
  const nobody = createClient({ gateway: `127.0.0.1:${await freePort()}` });
  const away = await failureOf(nobody.publish(event('away', 'a'), { timeoutMs: 500 }));
  await nobody.close();
  expect(away).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  expect(away.message).toMatch(/^127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
  const large = event('large', 'a', { payload: { text: 'x'.repeat(17 * 1024 * 1024) } });
  expect(await failureOf(client.publish(large))).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', retryable: false });
});

test('a call ends at its timeout, and with the reason of its signal', async () => {
  // Stopped, it answers nothing at all; a gateway that runs answers in time, and then `accepted`.
  system.gateway.child.kill('SIGSTOP');
  try {
    const late = await failureOf(client.publish(event('late', 'a'), { timeoutMs: 30 }));
    expect(late).toMatchObject({ code: 'DEADLINE_EXCEEDED', retryable: true });
    const controller = new AbortController();
    const call = client.publish(event('late', 'b'), { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('changed my mind')), 30);
    await expect(call).rejects.toThrow('changed my mind');
    await expect(client.publish(event('late', 'c'), { signal: controller.signal })).rejects.toThrow('changed my mind');
  } finally {
    system.gateway.child.kill('SIGCONT');
  }
});
