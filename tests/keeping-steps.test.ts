import { beforeEach, describe, expect, test } from 'vitest';
import { type KeepDeps, keepsWithin } from '../services/dedup-worker/src/keeper/keep.js';
import type { Retention } from '../services/dedup-worker/src/keeper/retention.js';
import { getEvent } from '../services/query/src/rpc/get-event.js';
import { reconcile } from '../services/query/src/rpc/reconcile.js';
import { openFixture, type QueryFixture, type StoredCopy } from '../services/query/tests/query-fixture.js';

const dayMs = 86_400_000;
const forEver: Retention = {
  eventsMs: undefined,
  keysMs: undefined,
  refusedMs: undefined,
  deadLettersMs: undefined,
  seriesMs: undefined,
  lookEveryMs: 1_000,
};

let fixture: QueryFixture;
let sent: number;
beforeEach(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  sent = 0;
  return () => fixture.close();
});

const sql = (text: string, values: unknown[] = []) => fixture.database.pool.query(text, values);
const count = (from: string) => fixture.database.value<number>(`select count(*)::int from ${from}`);
const daysAgo = (days: number) => new Date(Date.now() - days * dayMs).toISOString();
const partitionOf = (days: number) => `events_${daysAgo(days).slice(0, 10).replaceAll('-', '')}`;
const exists = (table: string) => fixture.database.value<boolean>('select to_regclass($1) is not null', [table]);

async function differences(): Promise<string[]> {
  const { differences: found } = await reconcile(fixture.queries);
  return found.map(({ what, positions }) => `${what} ${positions.join()}`.trim());
}

/** Stores copies that came so many days ago, and takes them out of the stream. */
async function storeFrom(days: number, ...copies: readonly Omit<StoredCopy, 'receivedAt'>[]): Promise<void> {
  const receivedAt = daysAgo(days);
  await sql('select ensure_event_partition_v1($1::timestamptz::date)', [receivedAt]);
  await fixture.store(...copies.map((copy) => ({ ...copy, receivedAt })));
  await settle(Math.max(...copies.map(({ position }) => position)));
}

async function settle(position: number): Promise<void> {
  if (position > sent) await fixture.send(position - sent);
  sent = Math.max(sent, position);
  await fixture.advance(position);
  await fixture.jsm.streams.purge(fixture.names.stream);
  await countBySource();
}

async function countBySource(): Promise<void> {
  while (await fixture.database.value<boolean>('select roll_up_v1(1000)'));
}

/** A worker's chore, whose every step leaves an audit clean. */
function keeping(retention: Partial<Retention>, deps: Partial<KeepDeps> = {}) {
  const removed: Record<string, number> = {};
  const chore = keepsWithin({
    pool: fixture.pool,
    retention: { ...forEver, ...retention },
    removed(kind, rows) {
      if (rows > 0) removed[kind] = (removed[kind] ?? 0) + rows;
    },
    ...deps,
  });
  return {
    removed,
    async toTheEnd(): Promise<Record<string, number>> {
      for (let more = true, steps = 0; more; steps++) {
        if (steps > 100) throw new Error('there is no end to it');
        more = await chore.step();
        expect(await differences()).toEqual([]);
      }
      return removed;
    },
    step: () => chore.step(),
  };
}

describe('days of events', () => {
  test('are dropped once the whole day is too old; later ones stay, and the audit is clean at each step', async () => {
    await storeFrom(5, { position: 1 }, { position: 2 });
    await storeFrom(3, { position: 3 }, { position: 4, eventId: 'e1' });
    await storeFrom(0, { position: 5 });
    const keeper = keeping({ eventsMs: 3 * dayMs });
    expect(await keeper.toTheEnd()).toEqual({ events: 2 });
    expect(await exists(partitionOf(5))).toBe(false);
    expect(await exists(partitionOf(3))).toBe(true);
    expect(await count('events')).toBe(2);
    expect(await count('event_keys')).toBe(4);
    expect(await count('leaving')).toBe(0);
  });
});

test('an event whose day is gone is expired, and its repeat a duplicate or a conflict', async () => {
  await storeFrom(5, { position: 1, payload: '{"n":1}' });
  await storeFrom(0, { position: 2 });
  await keeping({ eventsMs: dayMs }).toTheEnd();
  const answer = await getEvent(fixture.queries, { topic: 'orders', eventId: 'e1', payloadFormat: 0 });
  expect(answer).toMatchObject({ status: 2, event: { position: 1n } });
  await storeFrom(0, { position: 3, eventId: 'e1', payload: '{"n":1}' }, { position: 4, eventId: 'e1' });
  expect(await count('refused where conflict')).toBe(1);
  expect(await count('refused where not conflict')).toBe(1);
  expect(await differences()).toEqual([]);
});
