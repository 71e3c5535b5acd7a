import type { Counts } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { beforeEach, expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { getStats } from '../src/rpc/get-stats.js';
import { resetStats } from '../src/rpc/reset-stats.js';
import { makeStream, openFixture, type QueryFixture } from './query-fixture.js';

let fixture: QueryFixture;
beforeEach(async () => {
  fixture = await openFixture();
  return () => fixture.close();
});

const stats = () => getStats(fixture.queries);

function addsUp(counts: Counts | undefined): void {
  const { received, redriven, uniqueProcessed, duplicateDropped, deadLettered, inFlight } = counts as Counts;
  expect(received + redriven).toBe(uniqueProcessed + duplicateDropped + deadLettered + inFlight);
}

async function storeSome(): Promise<void> {
  await fixture.openEpoch();
  await fixture.store({ position: 1, eventId: 'a' }, { position: 2, eventId: 'b', topic: 'z' });
  await fixture.store({ position: 3, eventId: 'a' }, { position: 4, eventId: 'a', payload: '{"other":1}' });
  await fixture.storeTally(5, 'orders', ['a', 'a', 'b']);
  await fixture.deadLetter(6, 'dead only', 'd');
}

test('an empty system counts nothing, since its process started', async () => {
  const { current, lifetime, topics, queueSize, since } = await stats();
  expect(current).toEqual(lifetime);
  expect(current).toMatchObject({ received: 0n, inFlight: 0n });
  expect({ topics, queueSize }).toEqual({ topics: [], queueSize: 0n });
  expect(Number(since?.seconds)).toBe(Math.floor(fixture.queries.startedAtMs / 1000));
});

test('every kind of copy is counted, and what the broker still holds is in flight', async () => {
  await storeSome();
  await fixture.send(10);
  const { lifetime, topics, queueSize, uptimeSeconds } = await stats();
  expect(lifetime).toEqual({
    received: 2n + 5n + 1n + 4n,
    uniqueProcessed: 2n,
    duplicateDropped: 5n,
    conflicts: 1n,
    deadLettered: 1n,
    redriven: 0n,
    inFlight: 4n,
  });
  expect({ topics, queueSize }).toEqual({ topics: ['orders', 'z'], queueSize: 4n });
  expect(uptimeSeconds).toBeGreaterThan(0);
  addsUp(lifetime);
});

test('what is stored above the watermark is not in flight', async () => {
  await fixture.openEpoch();
  await fixture.send(6);
  await fixture.store({ position: 1 }, { position: 2 }, { position: 5 });
  await fixture.advance(2, 6);
  expect((await stats()).lifetime).toMatchObject({ received: 6n, uniqueProcessed: 3n, inFlight: 3n });
});

test('what is stored after the broker was asked does not make the count negative', async () => {
  await fixture.openEpoch();
  await fixture.send(1);
  const { lastPosition } = fixture.queries;
  const early = await lastPosition.read();
  await fixture.store({ position: 1 }, { position: 2 }, { position: 3 });
  const slow = { ...lastPosition, read: async () => early };
  const { lifetime } = await getStats({ ...fixture.queries, lastPosition: slow });
  expect(lifetime).toMatchObject({ received: 3n, inFlight: 0n });
});

test('a row too many does not make the count negative', async () => {
  await fixture.openEpoch();
  await fixture.send(2);
  await fixture.store({ position: 1 }, { position: 2 });
  await fixture.database.pool.query('insert into replays values (2, now(), 1)');
  expect((await stats()).queueSize).toBe(0n);
});

test('a reset subtracts what was counted, and what was in flight is counted after it', async () => {
  await storeSome();
  await fixture.send(8);
  const { since } = await resetStats(fixture.queries);
  const after = await stats();
  expect(after.since).toEqual(since);
  expect(after.current).toMatchObject({ received: 2n, uniqueProcessed: 0n, duplicateDropped: 0n, inFlight: 2n });
  expect(after.lifetime).toMatchObject({ received: 10n });
  addsUp(after.current);
  await fixture.store({ position: 7, eventId: 'new' }, { position: 8, eventId: 'a' });
  const later = await stats();
  expect(later.current).toMatchObject({ received: 2n, uniqueProcessed: 1n, duplicateDropped: 1n, inFlight: 0n });
  addsUp(later.current);
  addsUp(later.lifetime);
  expect(await fixture.database.value('select count(*) from event_keys')).toBe('3');
});

test('resets at the same time leave one baseline', async () => {
  await storeSome();
  await Promise.all(Array.from({ length: 8 }, () => resetStats(fixture.queries)));
  expect(await fixture.database.value('select count(*) from stats_baseline')).toBe('1');
  expect((await stats()).current).toMatchObject({ uniqueProcessed: 0n });
});

test('the sum holds in every answer while copies come in and are stored', async () => {
  await fixture.openEpoch();
  const count = 150;
  let done = false;
  const working = (async () => {
    for (let i = 1; i <= count; i++) {
      await fixture.send(1);
      await fixture.store({ position: i, eventId: `e${i % 40}` });
      if (i % 10 === 0) await fixture.advance(i);
      if (i === 70) await resetStats(fixture.queries);
    }
    done = true;
  })();
  let last = 0n;
  while (!done) {
    const { current, lifetime } = await stats();
    addsUp(current);
    addsUp(lifetime);
    expect(lifetime?.received).toBeGreaterThanOrEqual(last);
    last = lifetime?.received ?? 0n;
  }
  await working;
  expect((await stats()).lifetime).toMatchObject({ received: 150n, uniqueProcessed: 40n, duplicateDropped: 110n });
});

test('while NATS is away the last that was known stays in flight', async () => {
  await storeSome();
  await fixture.send(9);
  expect((await stats()).queueSize).toBe(3n);
  await fixture.link.close();
  await waitUntil('the link to be down', () => fixture.link.connection() === undefined);
  const { lifetime } = await stats();
  expect(lifetime).toMatchObject({ inFlight: 3n });
  addsUp(lifetime);
});

test('before an epoch of the stream is open, each of its messages is in flight', async () => {
  await fixture.send(3);
  expect((await stats()).lifetime).toMatchObject({ received: 3n, inFlight: 3n });
  await fixture.openEpoch();
  await fixture.advance(3);
  await fixture.jsm.streams.delete(fixture.names.stream);
  await makeStream(fixture.jsm, fixture.names);
  await fixture.send(2);
  expect((await stats()).lifetime).toMatchObject({ inFlight: 2n });
});
