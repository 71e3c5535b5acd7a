import { EventStatus } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { beforeEach, describe, expect, test } from 'vitest';
import { getEvent } from '../services/query/src/rpc/get-event.js';
import { dayMs, daysAgo, type KeepingFixture, openKeepingFixture } from './support/keeping-fixture.js';

let fixture: KeepingFixture;
beforeEach(async () => {
  fixture = await openKeepingFixture();
  return () => fixture.close();
});

const numbered = (first: number, count: number) => Array.from({ length: count }, (_, i) => ({ position: first + i }));
/** Rows of these tables came so many days ago. */
const age = async (days: number, ...tables: readonly string[]) => {
  for (const table of tables) await fixture.sql(`update ${table} set received_at = $1`, [daysAgo(days)]);
};

describe('keys', () => {
  const retention = { eventsMs: dayMs, keysMs: 3 * dayMs };

  test('go after their events, and then their id is new again', async () => {
    await fixture.storeFrom(5, { position: 1 }, { position: 2, topic: 'refunds' });
    await fixture.storeFrom(2, { position: 3 });
    await fixture.storeFrom(0, { position: 4 });
    expect(await fixture.keeping(retention).toTheEnd()).toEqual({ events: 3, event_keys: 2 });
    const ask = (eventId: string) => getEvent(fixture.queries, { topic: 'orders', eventId, payloadFormat: 0 });
    await expect(ask('e1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await ask('e3')).status).toBe(EventStatus.EVENT_STATUS_EXPIRED);
    await fixture.storeFrom(0, { position: 5, eventId: 'e1' }, { position: 6, eventId: 'e3', payload: '{"n":1}' });
    expect((await ask('e1')).status).toBe(EventStatus.EVENT_STATUS_STORED);
    expect(await fixture.count('refused where conflict')).toBe(1);
    expect(await fixture.differences()).toEqual([]);
  });

  test('of more than a step takes go, and a new walk is not begun at once', async () => {
    await fixture.storeFrom(5, ...numbered(1, 20_000));
    await fixture.storeFrom(0, { position: 20_001 });
    expect(await fixture.keeping(retention).toTheEnd()).toEqual({ events: 20_000, event_keys: 20_000 });
    await fixture.storeFrom(5, { position: 20_002 });
    expect(await fixture.keeping(retention).toTheEnd()).toEqual({ events: 1 });
    await fixture.sql("update key_walk set before = before - interval '2 hours'");
    expect(await fixture.keeping(retention).toTheEnd()).toEqual({ event_keys: 1 });
  });

  test('stay as long as their day has its events', async () => {
    await fixture.storeFrom(5, { position: 1 });
    await fixture.storeFrom(0, { position: 2 });
    expect(await fixture.keeping({ keysMs: 3 * dayMs }).toTheEnd()).toEqual({});
    expect(await fixture.count('event_keys')).toBe(2);
  });

  test.each(['watermark', 'rollup'])('stay above the %s', async (table) => {
    await fixture.storeFrom(5, { position: 1 }, { position: 2 });
    await fixture.storeFrom(0, { position: 3 });
    await fixture.keeping({ eventsMs: dayMs }).toTheEnd();
    await fixture.sql(`update ${table} set position = 1`);
    const keeper = fixture.keeping(retention);
    await keeper.step();
    expect(keeper.removed).toEqual({ event_keys: 1 });
  });

  test('that are lost beside are missed', async () => {
    await fixture.storeFrom(5, { position: 1 }, { position: 2 });
    await fixture.storeFrom(0, { position: 3 }, { position: 4 });
    await fixture.keeping(retention).toTheEnd();
    await fixture.sql('delete from event_keys where position = 3; delete from events where position = 3');
    expect(await fixture.differences()).toEqual(['unique_processed', 'unique_by_topic', 'lost_positions 3']);
  });
});

describe('refused copies, tallies and replays', () => {
  const retention = { refusedMs: 3 * dayMs };

  /** Positions 1 to 5: an event, a duplicate, a conflict, a tally of two, a replay. */
  async function keepOneOfEach(): Promise<void> {
    await fixture.storeFrom(5, { position: 1 });
    await fixture.storeFrom(5, { position: 2, eventId: 'e1' }, { position: 3, eventId: 'e1', payload: '{"n":1}' });
    await fixture.storeTally(4, 'orders', ['e1', 'e1']);
    await fixture.sql('insert into replays values (5, now(), 1)');
    await fixture.settle(5);
    await age(5, 'tallies', 'replays');
  }

  test('go when they are too old, and what they counted stays', async () => {
    await keepOneOfEach();
    await fixture.storeFrom(1, { position: 6, eventId: 'e1' });
    const counters = (await fixture.sql('select * from topic_counters')).rows;
    expect(await fixture.keeping(retention).toTheEnd()).toEqual({ refused: 2, tallies: 1, replays: 1 });
    expect(await fixture.count('refused')).toBe(1);
    expect((await fixture.sql('select * from topic_counters')).rows).toEqual(counters);
  });

  test('of more than a step takes go', async () => {
    await fixture.storeFrom(5, { position: 1 });
    await fixture.storeFrom(5, ...numbered(2, 6_000).map((copy) => ({ ...copy, eventId: 'e1' })));
    expect(await fixture.keeping(retention).toTheEnd()).toEqual({ refused: 6_000 });
  });

  test('of a time when the clock was ahead hide none that come behind them', async () => {
    const [perStep, ahead] = [15_000, 16_000];
    const repeats = (first: number, count: number) =>
      numbered(first, count).map((copy) => ({ ...copy, eventId: 'e1' }));
    await fixture.storeFrom(5, { position: 1 });
    await fixture.storeFrom(-1000, ...repeats(2, ahead));
    await fixture.storeFrom(5, ...repeats(2 + ahead, 10));
    await fixture.storeFrom(1, ...repeats(12 + ahead, 10));
    const keeper = fixture.keeping(retention);
    for (let looked = 0; looked < ahead; looked += perStep) await keeper.step();
    expect(keeper.removed).toEqual({ refused: 10 });
    // And from the beginning again.
    await fixture.sql('update refused set received_at = $1 where position <= $2', [daysAgo(5), 2 + perStep]);
    expect(await keeper.toTheEnd()).toEqual({ refused: 10 + perStep + 1 });
    expect(await fixture.count('refused')).toBe(10 + ahead - perStep - 1);
  });

  test.each(['watermark', 'rollup'])('stay above the %s', async (table) => {
    await keepOneOfEach();
    await fixture.sql(`update ${table} set position = 2`);
    const removed = await fixture.keeping(retention).toTheEnd();
    expect(removed).toEqual({ refused: 1 });
  });

  test.each([
    ['refused where position = 6', ['duplicate_dropped', 'lost_positions 6']],
    [
      'event_keys where position = 1',
      ['unique_processed', 'unique_by_topic', 'events_without_key 1', 'lost_positions'],
    ],
  ])('do not hide the loss of a row, from %s', async (from, found) => {
    await keepOneOfEach();
    await fixture.storeFrom(1, { position: 6, eventId: 'e1' });
    await fixture.keeping(retention).toTheEnd();
    await fixture.sql(`delete from ${from}`);
    expect(await fixture.differences()).toEqual(found);
  });

  test('that are gone and one of which is there all the same do not add up', async () => {
    await keepOneOfEach();
    await fixture.keeping(retention).toTheEnd();
    await fixture.sql('insert into replays values (2, now(), 1)');
    expect(await fixture.differences()).toEqual(['lost_positions']);
  });
});

describe('counts by minute', () => {
  const byMinute = async () =>
    (
      await fixture.sql(
        `select minute = '-infinity' as folded, topic, sum(unique_count)::int as n from minute_counters group by 1, 2 order by 1, 2`,
      )
    ).rows.map(({ folded, topic, n }) => `${folded ? 'folded' : 'kept'} ${topic} ${n}`);

  test('become one row for each topic, whose sums stay; later ones are kept', async () => {
    await fixture.storeFrom(9, { position: 1 }, { position: 2, topic: 'refunds' });
    await fixture.storeFrom(8, { position: 3 });
    await fixture.storeFrom(1, { position: 4 });
    const keep = () => fixture.keeping({ seriesMs: 3 * dayMs }).toTheEnd();
    expect(await keep()).toEqual({ minute_counters: 3 });
    expect(await byMinute()).toEqual(['kept orders 1', 'folded orders 2', 'folded refunds 1']);
    expect(await keep()).toEqual({});
    await fixture.storeFrom(9, { position: 5 });
    expect(await keep()).toEqual({ minute_counters: 1 });
    expect(await byMinute()).toEqual(['kept orders 1', 'folded orders 3', 'folded refunds 1']);
  });

  test('that somebody counts up at the moment are left for the next time', async () => {
    await fixture.storeFrom(9, { position: 1 });
    const client = await fixture.database.pool.connect();
    await client.query('begin');
    await client.query('update minute_counters set unique_count = unique_count');
    expect(await fixture.keeping({ seriesMs: dayMs }).toTheEnd()).toEqual({});
    await client.query('commit');
    client.release();
    expect(await fixture.keeping({ seriesMs: dayMs }).toTheEnd()).toEqual({ minute_counters: 1 });
  });
});

test('nothing is removed while somebody else is at it', async () => {
  await fixture.storeFrom(5, { position: 1 });
  await fixture.storeFrom(5, { position: 2, eventId: 'e1' });
  await fixture.deadLetter(3, 'orders', 'd');
  await fixture.sql("update dead_letters set state = 'discarded', state_since = now() - interval '5 days'");
  await fixture.storeFrom(0, { position: 4 });
  const keep = () =>
    fixture
      .keeping({ eventsMs: dayMs, keysMs: dayMs, refusedMs: dayMs, deadLettersMs: dayMs, seriesMs: dayMs })
      .toTheEnd();
  const other = await fixture.database.pool.connect();
  await other.query('begin');
  await other.query('select pg_advisory_xact_lock(keeping_lock_key())');
  expect(await keep()).toEqual({});
  await other.query('rollback');
  other.release();
  expect(await keep()).toEqual({ events: 1, event_keys: 1, refused: 1, dead_letters: 1, minute_counters: 1 });
});

test('what cannot be removed holds up nothing else, and is said', async () => {
  await fixture.storeFrom(5, { position: 1 });
  await fixture.storeFrom(5, { position: 2, eventId: 'e1' });
  await fixture.storeFrom(0, { position: 3 });
  await fixture.sql('alter table key_walk rename to elsewhere');
  const keeper = fixture.keeping({ eventsMs: dayMs, keysMs: dayMs, refusedMs: dayMs });
  await expect(keeper.step()).rejects.toThrow('key_walk');
  expect(keeper.removed).toEqual({ refused: 1 });
});
