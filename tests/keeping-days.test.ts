import { EventStatus } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { Pool } from 'pg';
import { beforeEach, expect, test } from 'vitest';
import { eraseEvents } from '../services/query/src/rpc/erase-events.js';
import { getEvent } from '../services/query/src/rpc/get-event.js';
import { reconcile } from '../services/query/src/rpc/reconcile.js';
import { dayMs, daysAgo, type KeepingFixture, openKeepingFixture, partitionOf } from './support/keeping-fixture.js';
import { detachHalfway, detachWholly, keepThree, leavingState, reader } from './support/leaving-days.js';
import { waitUntil } from './support/wait-until.js';

let fixture: KeepingFixture;
beforeEach(async () => {
  fixture = await openKeepingFixture();
  return () => fixture.close();
});

test('days are dropped once the whole day is too old; later ones stay, and the audit is clean at each step', async () => {
  await fixture.storeFrom(5, { position: 1 }, { position: 2 });
  await fixture.storeFrom(3, { position: 3 }, { position: 4, eventId: 'e1' });
  await fixture.storeFrom(0, { position: 5 });
  expect(await fixture.keeping({ eventsMs: 3 * dayMs }).toTheEnd()).toEqual({ events: 2 });
  expect(await fixture.exists(partitionOf(5))).toBe(false);
  expect(await fixture.exists(partitionOf(3))).toBe(true);
  expect(await fixture.count('events')).toBe(2);
  expect(await fixture.count('event_keys')).toBe(4);
  expect(await fixture.count('leaving')).toBe(0);
});

test('an event whose day is gone is expired, and its repeat a duplicate or a conflict', async () => {
  await fixture.storeFrom(5, { position: 1, payload: '{"n":1}' });
  await fixture.storeFrom(0, { position: 2 });
  await fixture.keeping({ eventsMs: dayMs }).toTheEnd();
  const answer = await getEvent(fixture.queries, { topic: 'orders', eventId: 'e1', payloadFormat: 0 });
  expect(answer).toMatchObject({ status: EventStatus.EVENT_STATUS_EXPIRED, event: { position: 1n } });
  await fixture.storeFrom(0, { position: 3, eventId: 'e1', payload: '{"n":1}' }, { position: 4, eventId: 'e1' });
  expect(await fixture.count('refused where conflict')).toBe(1);
  expect(await fixture.count('refused where not conflict')).toBe(1);
  expect(await fixture.differences()).toEqual([]);
});

test.each(['watermark', 'rollup'])('days stay while the %s has not passed their last event', async (table) => {
  await keepThree(fixture);
  await fixture.sql(`update ${table} set position = 1`);
  expect(await fixture.keeping({ eventsMs: dayMs }).toTheEnd()).toEqual({});
  expect(await fixture.count('leaving')).toBe(0);
  await fixture.sql(`update ${table} set position = 3`);
  expect(await fixture.keeping({ eventsMs: dayMs }).toTheEnd()).toEqual({ events: 2 });
});

test('days stay while more of the same day may wait in the broker', async () => {
  await fixture.storeFrom(5, { position: 1 });
  await fixture.sendOne();
  await fixture.advance(1, 2);
  expect(await fixture.keeping({ eventsMs: dayMs }).toTheEnd()).toEqual({});
  await fixture.store({ position: 2 });
  await fixture.settle(2);
  expect(await fixture.keeping({ eventsMs: dayMs }).toTheEnd()).toEqual({ events: 1 });
});

test('days come back by a late message, which is dropped again, and counted once', async () => {
  await keepThree(fixture);
  await fixture.keeping({ eventsMs: dayMs }).toTheEnd();
  await fixture.storeFrom(5, { position: 4 });
  expect(await fixture.count('events')).toBe(2);
  expect(await fixture.differences()).toEqual([]);
  expect(await fixture.keeping({ eventsMs: dayMs }).toTheEnd()).toEqual({ events: 1 });
  expect(await fixture.count('events')).toBe(1);
});

test('days that are being dropped hold up nobody who stores, and wait for who still reads them', async () => {
  await keepThree(fixture);
  const keeper = fixture.keeping({ eventsMs: dayMs });
  await keeper.step();
  const endReading = await reader(fixture);
  const waiting = keeper.step().then(
    () => 'done',
    (error: Error) => error.message,
  );
  await waitUntil('the partition is pending', async () => (await leavingState(fixture)) === 'pending');
  expect(await fixture.differences()).toEqual([]);
  await fixture.storeFrom(0, { position: 4 }, { position: 5, eventId: 'e3' });
  await fixture.sql('select ensure_event_partition_v1(current_date + 5)');
  expect(await leavingState(fixture)).toBe('pending');
  expect(await waiting).toMatch(/^the events of \d{4}-\d\d-\d\d wait to be dropped: a transaction/);
  expect(await leavingState(fixture)).toBe('pending');
  expect(await fixture.differences()).toEqual([]);
  await endReading();
  expect(await fixture.keeping({ eventsMs: dayMs }).toTheEnd()).toEqual({ events: 2 });
  expect(await fixture.count('events')).toBe(2);
});

test.each([
  ['attached', async () => undefined],
  ['pending', detachHalfway],
  ['detached', detachWholly],
])('days that a worker left %s when it died are dropped by the next', async (state, goOn) => {
  await keepThree(fixture);
  await fixture.keeping({ eventsMs: dayMs }).step();
  await goOn(fixture);
  expect(await leavingState(fixture)).toBe(state);
  expect(await fixture.differences()).toEqual([]);
  expect(await fixture.keeping({ eventsMs: dayMs }).toTheEnd()).toEqual({ events: 2 });
  expect(await fixture.exists(partitionOf(5))).toBe(false);
});

test('days go on leaving in a restored database, in which their partition has another oid', async () => {
  await keepThree(fixture);
  await fixture.keeping({ eventsMs: dayMs }).step();
  const [name, day] = [partitionOf(5), daysAgo(5).slice(0, 10)];
  await fixture.sql(`
    create table copied (like ${name} including all);
    insert into copied select * from ${name};
    drop table ${name};
    alter table copied rename to ${name};
    alter table events attach partition ${name} for values from ('${day} 00:00+00') to ('${daysAgo(4).slice(0, 10)} 00:00+00')`);
  expect(await fixture.differences()).toEqual([]);
  expect(await fixture.keeping({ eventsMs: dayMs }).toTheEnd()).toEqual({ events: 2 });
});

test('days that are attached still stay, when the setting was changed before they went', async () => {
  await keepThree(fixture);
  await fixture.keeping({ eventsMs: dayMs }).step();
  expect(await fixture.keeping({ eventsMs: 30 * dayMs }).toTheEnd()).toEqual({});
  expect(await fixture.count('events')).toBe(3);
  expect(await fixture.count('leaving')).toBe(0);
});

test('days go once though four workers try at the same time', async () => {
  const longPast = [9, 8, 7, 6];
  for (const [first, days] of longPast.entries()) {
    await fixture.storeFrom(days, { position: 2 * first + 1 }, { position: 2 * first + 2 });
  }
  await fixture.storeFrom(0, { position: 9 });
  const pools = Array.from({ length: 4 }, () => new Pool({ connectionString: fixture.database.url }));
  const keepers = pools.map((pool) => fixture.keeping({ eventsMs: dayMs, keysMs: dayMs }, { pool }));
  try {
    await waitUntil('all days are gone', async () => {
      const steps = await Promise.allSettled(keepers.map((keeper) => keeper.step()));
      // The day before yesterday is there, too: it has no events, and goes sooner or later.
      const left = await Promise.all(longPast.map((days) => fixture.exists(partitionOf(days))));
      if (!left.includes(true) && (await fixture.count('leaving')) === 0) return true;
      const said = steps.map((step) => (step.status === 'fulfilled' ? step.value : String(step.reason)));
      throw new Error(`${left.join()}, ${await leavingState(fixture)}; ${said.join('; ')}`);
    });
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
  }
  expect(await fixture.count('events')).toBe(1);
  expect(keepers.reduce((n, { removed }) => n + (removed.events ?? 0), 0)).toBe(8);
  expect(await fixture.database.value("select sum(row_count)::int from pruned where kind = 'events'")).toBe(8);
  expect(await fixture.differences()).toEqual([]);
});

test('an audit that began before they went sees them or their sums, never neither', async () => {
  await keepThree(fixture);
  const keeper = fixture.keeping({ eventsMs: dayMs });
  await keeper.step();
  const goneOrWaiting = `
    select not exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relname = '${partitionOf(5)}')
      or exists (
        select from pg_stat_activity
        where datname = current_database() and query like 'alter table%' and wait_event = 'virtualxid'
      )`;
  let dropped: Promise<unknown> = Promise.resolve();
  let begun = false;
  const auditDatabase: typeof fixture.queries.auditDatabase = {
    ...fixture.queries.auditDatabase,
    inSnapshot: (work) =>
      fixture.queries.auditDatabase.inSnapshot((snapshot) =>
        work({
          async query(text, values) {
            const rows = await snapshot.query<never>(text, values);
            // The snapshot is taken, and no table of events looked at yet.
            if (!text.startsWith('lock') && !begun) {
              begun = true;
              dropped = keeper.step().catch(() => undefined);
              await waitUntil('it is gone, or waits for this audit', () =>
                fixture.database.value<boolean>(goneOrWaiting),
              );
            }
            return rows;
          },
        }),
      ),
  };
  expect((await reconcile({ ...fixture.queries, auditDatabase })).differences).toEqual([]);
  await dropped;
  expect(begun).toBe(true);
  await keeper.toTheEnd();
});

test('an audit asks no more questions after a drop than before it', async () => {
  await keepThree(fixture);
  async function questions(): Promise<number> {
    let asked = 0;
    const auditDatabase: typeof fixture.queries.auditDatabase = {
      ...fixture.queries.auditDatabase,
      inSnapshot: (work) =>
        fixture.queries.auditDatabase.inSnapshot((snapshot) =>
          work({
            query(text, values) {
              asked++;
              return snapshot.query(text, values);
            },
          }),
        ),
    };
    expect((await reconcile({ ...fixture.queries, auditDatabase })).differences).toEqual([]);
    return asked;
  }
  const before = await questions();
  await fixture.keeping({ eventsMs: dayMs, keysMs: dayMs }).toTheEnd();
  expect(await questions()).toBe(before);
});

test('days from which something is erased while they go add up at each step', async () => {
  await fixture.storeFrom(
    5,
    { position: 1 },
    { position: 2 },
    { position: 3, topic: 'other' },
    { position: 4, topic: 'other' },
  );
  await fixture.storeFrom(0, { position: 5 });
  const keeper = fixture.keeping({ eventsMs: dayMs });
  await keeper.step();
  expect(await leavingState(fixture)).toBe('attached');
  expect(await eraseEvents(fixture.queries, { topic: 'orders', eventId: 'e2' })).toMatchObject({ erased: 1n });
  expect(await fixture.differences()).toEqual([]);
  expect(await eraseEvents(fixture.queries, { topic: 'other', eventId: '' })).toMatchObject({ erased: 2n });
  expect(await keeper.toTheEnd()).toEqual({ events: 1 });
  expect(await fixture.database.value("select sum(row_count)::int from pruned where kind = 'events'")).toBe(4);
});

test.each([
  ['an event of a day that is kept', 'delete from events where position = 3', ['missing_events 3']],
  [
    'the key of an event that went',
    'delete from event_keys where position = 1',
    ['unique_processed', 'unique_by_topic', 'missing_events', 'lost_positions 1'],
  ],
  ['a position', 'update watermark set position = 4', ['lost_positions 4']],
])('days that went do not hide the loss of %s', async (_, loss, found) => {
  await keepThree(fixture);
  await fixture.keeping({ eventsMs: dayMs }).toTheEnd();
  await fixture.sql(loss);
  expect(await fixture.differences()).toEqual(found);
});
