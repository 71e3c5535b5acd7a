import { beforeEach, expect, test } from 'vitest';
import { dayMs, daysAgo, type KeepingFixture, openKeepingFixture, partitionOf } from './support/keeping-fixture.js';
import { detachHalfway, detachWholly, keepThree, leavingState, reader } from './support/leaving-days.js';

let fixture: KeepingFixture;
beforeEach(async () => {
  fixture = await openKeepingFixture();
  return () => fixture.close();
});

test('days stay while more of them waits in the stream than the watermark knows of', async () => {
  await fixture.storeFrom(5, { position: 1 });
  const blind = fixture.keeping({ eventsMs: dayMs }, { givenOut: async () => undefined });
  expect(await blind.toTheEnd()).toEqual({});
  await fixture.sendOne();
  const keeper = fixture.keeping({ eventsMs: dayMs });
  expect(await keeper.toTheEnd()).toEqual({});
  await fixture.storeFrom(5, { position: 2 });
  expect(await keeper.toTheEnd()).toEqual({ events: 2 });
});

test('days go once an event of a later day is settled, though the broker cannot be asked', async () => {
  await keepThree(fixture);
  const blind = fixture.keeping({ eventsMs: dayMs }, { givenOut: async () => undefined });
  expect(await blind.toTheEnd()).toEqual({ events: 2 });
});

test('days of which more comes while they are summed up stay until that is settled', async () => {
  await keepThree(fixture);
  const keeper = fixture.keeping({ eventsMs: dayMs });
  await keeper.step();
  await fixture.store({ position: 4, receivedAt: daysAgo(5) });
  await keeper.step();
  expect(await fixture.count('leaving')).toBe(0);
  expect(await fixture.exists(partitionOf(5))).toBe(true);
  expect(await fixture.count('events')).toBe(4);
  expect(await fixture.differences()).toEqual([]);
  await fixture.settle(4);
  expect(await keeper.toTheEnd()).toEqual({ events: 3 });
});

test('days of which more came while they were detached come back, so that what waits of them can be stored', async () => {
  await keepThree(fixture);
  const keeper = fixture.keeping({ eventsMs: dayMs });
  await keeper.step();
  await fixture.store({ position: 5, receivedAt: daysAgo(5) });
  await detachWholly(fixture);
  const endReading = await reader(fixture);
  await keeper.step();
  expect(await leavingState(fixture)).toBe('detached');
  await endReading();
  await keeper.step();
  expect(await fixture.count('leaving')).toBe(0);
  expect(await fixture.count('events')).toBe(4);
  await fixture.storeFrom(5, { position: 4 });
  await fixture.settle(5);
  expect(await keeper.toTheEnd()).toEqual({ events: 4 });
  expect(await fixture.exists(partitionOf(5))).toBe(false);
});

test('days whose sums lack an event are summed up anew before they go', async () => {
  await keepThree(fixture);
  const keeper = fixture.keeping({ eventsMs: dayMs });
  await keeper.step();
  await fixture.sql('update leaving set row_count = 1, position_xor = 2, mark_xor = 7');
  while (await keeper.step());
  expect(keeper.removed).toEqual({ events: 2 });
  expect(await fixture.differences()).toEqual([]);
});

test.each([
  ['wholly', detachWholly],
  ['halfway', detachHalfway],
])('days that were detached %s after they were let stay go all the same, and are counted', async (_, detach) => {
  await keepThree(fixture);
  await fixture.keeping({ eventsMs: dayMs }).step();
  await fixture.keeping({ eventsMs: 30 * dayMs }).step();
  expect(await fixture.count('leaving')).toBe(0);
  await detach(fixture);
  expect(await fixture.keeping({ eventsMs: 30 * dayMs }).step()).toBe(false);
  expect(await fixture.keeping({ eventsMs: dayMs }).toTheEnd()).toEqual({ events: 2 });
  expect(await fixture.exists(partitionOf(5))).toBe(false);
});

test.each([
  ['wholly', detachWholly],
  ['halfway', detachHalfway],
])('days that another worker detached %s a moment before are no failure', async (_, detach) => {
  await keepThree(fixture);
  const { pool } = fixture;
  let raced = 0;
  const slow = Object.assign(Object.create(pool) as typeof pool, {
    async query(...given: [never]) {
      if (String(given[0]).startsWith('alter table events detach') && raced++ === 0) await detach(fixture);
      return pool.query(...given);
    },
  });
  expect(await fixture.keeping({ eventsMs: dayMs }, { pool: slow }).toTheEnd()).toEqual({ events: 2 });
  expect(raced).toBeGreaterThan(0);
});
