import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { ListEventsRequest, Order } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { parseInstant } from '../src/instant.js';
import { listEvents } from '../src/rpc/list-events.js';
import { searchesEvents } from '../src/search/search-events.js';
import { slotsOf } from '../src/search/slots.js';
import type { Statements } from '../src/sql/database.js';
import { writeChapters } from './list-events-world.js';
import { openFixture, type QueryFixture } from './query-fixture.js';

let fixture: QueryFixture;
beforeEach(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
});
afterEach(() => fixture.close());

const ask = (
  changes: Partial<ListEventsRequest> = {},
  ofDatabase: (database: Statements) => Statements = (same) => same,
) => {
  const { queries } = fixture;
  const [database, planned] = [ofDatabase(queries.database), ofDatabase(fixture.planned)];
  return listEvents(
    { ...queries, searchEvents: searchesEvents({ database, planned, slots: slotsOf(1) }) },
    ListEventsRequest.fromPartial({ payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON, ...changes }),
  );
};
const positionsOf = async (...asked: Parameters<typeof ask>) =>
  (await ask(...asked)).events.map(({ position }) => Number(position));

/** Each turn has so little time that it looks at one event. Times are the only fractions. */
const hurried = (database: Statements): Statements => ({
  query: (text, values = [], how) =>
    database.query(
      text,
      values.map((value) => (Number.isSafeInteger(value) || typeof value !== 'number' ? value : 0)),
      how,
    ),
});

const daysAgo = (days: number, time = '12:00:00Z') =>
  `${new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)}T${time}`;
const orders = [Order.ORDER_ASC, Order.ORDER_DESC];

describe('many days', () => {
  const days = 75;
  const makeDays = () =>
    fixture.database.pool.query(
      `select ensure_event_partition_v1(d::date) from generate_series(current_date - ${days}, current_date, interval '1 day') d`,
    );
  // A clock that jumps: two events on each day, and every seventh of some other day.
  const copyOf = (i: number) => ({
    position: i * 3 + 1,
    topic: `t.${i % 4}`,
    source: i % 5 === 0 ? 'seldom' : 'shop',
    receivedAt: daysAgo(i % 7 === 0 ? (i * 31) % days : days - Math.floor(i / 2)),
  });
  const copies = Array.from({ length: days * 2 }, (_, i) => copyOf(i));

  it('are looked into a few at a time, and nothing is missed', async () => {
    await makeDays();
    await fixture.store(...copies);
    const known = copies.map(({ position, receivedAt, ...rest }) => {
      const us = BigInt(Date.parse(receivedAt)) * 1000n;
      return { ...rest, position, eventId: `e${position}`, receivedUs: us, happenedUs: us, payload: {} };
    });
    await writeChapters(fixture.database.pool, known, 8, 400);
    const requests: [Partial<ListEventsRequest>, (copy: (typeof copies)[number]) => boolean][] = [
      [{}, () => true],
      [{ topic: 't.2' }, ({ topic }) => topic === 't.2'],
      [{ topic: 't.*', source: 'seldom' }, ({ source }) => source === 'seldom'],
      [{ receivedFrom: parseInstant(daysAgo(30)) }, ({ receivedAt }) => receivedAt >= daysAgo(30)],
      [{ receivedTo: parseInstant(daysAgo(30)) }, ({ receivedAt }) => receivedAt < daysAgo(30)],
    ];
    for (const [request, fits] of requests) {
      for (const order of orders) {
        const found: number[] = [];
        let cursor = '';
        do {
          const page = await ask({ ...request, order, limit: 9, cursor });
          found.push(...page.events.map(({ position }) => Number(position)));
          cursor = page.nextCursor;
        } while (cursor !== '');
        const expected = copies.filter(fits).map(({ position }) => position);
        expect(found).toEqual(order === Order.ORDER_DESC ? expected.reverse() : expected);
      }
    }
  });

  it('are left out where a chapter has no events of them', async () => {
    await makeDays();
    await fixture.store({ position: 1, receivedAt: daysAgo(10) }, { position: 2, receivedAt: daysAgo(40) });
    // What no roll-up would write shows whether it is believed.
    await fixture.database.pool.query('insert into chapters values (1, 1, 1, $1, $1, $1, $1)', [daysAgo(20)]);
    expect(await positionsOf()).toEqual([2]);
  });
});

describe('chapters', () => {
  const store = (receivedAt: readonly string[]) =>
    fixture.store(...receivedAt.map((at, i) => ({ position: i + 1, receivedAt: at, timestamp: at })));
  const chapter = (first: number, last: number, from: string | null, to: string | null) =>
    fixture.database.pool.query('insert into chapters values ($1, $2, 1, $3, $4, $3, $4)', [first, last, from, to]);
  const since = (text: string) => parseInstant(text);

  it('whose times are others are not looked into', async () => {
    // What no roll-up would write shows whether it is believed.
    await store(Array.from({ length: 40 }, () => daysAgo(1)));
    await chapter(1, 10, daysAgo(2), daysAgo(2));
    await chapter(11, 20, daysAgo(1), daysAgo(1));
    await chapter(21, 30, null, null);
    const looked = [...Array.from({ length: 10 }, (_, i) => 11 + i), ...Array.from({ length: 10 }, (_, i) => 31 + i)];
    for (const order of orders) {
      const expected = order === Order.ORDER_DESC ? looked.toReversed() : looked;
      const from = since(daysAgo(1, '00:00:00Z'));
      expect(await positionsOf({ order, receivedFrom: from })).toEqual(expected);
      expect(await positionsOf({ order, from })).toEqual(expected);
      expect(await positionsOf({ order, from, topic: 'orders' })).toEqual(expected);
      expect(await positionsOf({ order, from, source: 'shop', payload: '{}' })).toEqual(expected);
      expect(await positionsOf({ order })).toHaveLength(40);
    }
  });

  it('are many, and a search goes from one to the next over what lies between them', async () => {
    // Every other one is of another day; more of them than are read at once.
    const count = 1200;
    const dayOf = (position: number) => daysAgo(Math.floor((position - 1) / 2) % 2 === 0 ? 1 : 2);
    await store(Array.from({ length: count }, (_, i) => dayOf(i + 1)));
    const firsts = Array.from({ length: count / 2 }, (_, i) => i * 2 + 1);
    await fixture.database.pool.query(
      'insert into chapters select f, f + 1, 2, t, t, t, t from unnest($1::bigint[], $2::timestamptz[]) c (f, t)',
      [firsts, firsts.map(dayOf)],
    );
    const expected = Array.from({ length: count }, (_, i) => i + 1).filter((each) => dayOf(each) === daysAgo(1));
    for (const order of orders) {
      const positions: number[] = [];
      let cursor = '';
      do {
        const receivedFrom = since(daysAgo(1, '00:00:00Z'));
        const page = await ask({ order, receivedFrom, limit: 170, cursor });
        positions.push(...page.events.map(({ position }) => Number(position)));
        cursor = page.nextCursor;
      } while (cursor !== '');
      expect(positions).toEqual(order === Order.ORDER_DESC ? expected.toReversed() : expected);
    }
  });

  it('bound what a clock that went back has left behind it', async () => {
    await store([daysAgo(1, '10:00:00Z'), daysAgo(1, '12:00:00Z'), daysAgo(2, '09:00:00Z'), daysAgo(1, '13:00:00Z')]);
    await chapter(1, 2, daysAgo(1, '10:00:00Z'), daysAgo(1, '12:00:00Z'));
    await chapter(3, 4, daysAgo(2, '09:00:00Z'), daysAgo(1, '13:00:00Z'));
    expect(await positionsOf({ receivedTo: since(daysAgo(1, '11:00:00Z')) })).toEqual([1, 3]);
    expect(await positionsOf({ receivedFrom: since(daysAgo(1, '12:00:00Z')) })).toEqual([2, 4]);
    expect(await positionsOf({ receivedTo: since(daysAgo(2, '09:00:00Z')) })).toEqual([]);
    expect(await positionsOf({ receivedTo: since(daysAgo(2, '09:00:00.000001Z')) })).toEqual([3]);
  });
});

test('what the roll-up has never met together is looked for in the first turn only, below where it has come to', async () => {
  const copies = Array.from({ length: 20 }, (_, i) => ({ position: i + 1, topic: i % 2 === 0 ? 'a.1' : 'a.2' }));
  await fixture.store(...copies.map((copy) => ({ ...copy, source: copy.topic === 'a.1' ? 'x' : 'y' })));
  await fixture.store({ position: 21, topic: 'a.1', source: 'y' }, { position: 22, topic: 'a.2', source: 'x' });
  await fixture.store({ position: 23, topic: 'a.1', source: 'x' });
  await fixture.advance(23);
  const both = async (topic: string, source: string, order = Order.ORDER_ASC) => {
    const found = await positionsOf({ topic, source, order });
    expect(await positionsOf({ topic, source, order }, hurried)).toEqual(found);
    return found;
  };
  await fixture.database.pool.query('select roll_up_v1(20)');
  expect(await both('a.1', 'y')).toEqual([21]);
  expect(await both('a.*', 'x')).toHaveLength(12);
  expect(await both('a.*', 'y')).toHaveLength(11);
  await fixture.database.pool.query('select roll_up_v1(20)');
  expect(await both('a.1', 'y')).toEqual([21]);
  expect(await both('a.1', 'y', Order.ORDER_DESC)).toEqual([21]);
  expect(await both('a.2', 'z')).toEqual([]);
  expect(await both('b.*', 'x')).toEqual([]);
  // What no roll-up would leave shows whether it is believed.
  await fixture.database.pool.query("delete from source_counters where topic = 'a.1' and source = 'y'");
  for (const order of orders) expect(await positionsOf({ topic: 'a.1', source: 'y', order }, hurried)).toEqual([]);
  await fixture.store({ position: 24, topic: 'a.1', source: 'y' });
  for (const order of orders) expect(await positionsOf({ topic: 'a.1', source: 'y', order }, hurried)).toEqual([24]);
});

test('the times of a chapter that has only begun are believed up to where the roll-up has come, and no further', async () => {
  const at = (position: number) => ({ position, receivedAt: daysAgo(1, `10:00:0${position}Z`) });
  await fixture.store(at(1), at(2), at(3));
  await fixture.advance(3);
  await fixture.database.pool.query('select roll_up_v1(20)');
  await fixture.store(at(4), at(5));
  const since = parseInstant(daysAgo(1, '10:00:02Z'));
  const until = parseInstant(daysAgo(1, '10:00:05Z'));
  const found = async () => {
    const [asc, desc] = await Promise.all(
      orders.map((order) => positionsOf({ receivedFrom: since, receivedTo: until, order })),
    );
    expect(desc).toEqual(asc?.toReversed());
    return asc;
  };
  expect(await found()).toEqual([2, 3, 4]);
  await fixture.database.pool.query(
    "update rollup set received_from = now() + interval '1 h', received_to = now() + interval '1 h'",
  );
  expect(await found()).toEqual([4]);
});

test.each([
  ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
  ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
])('an event that happened at %s is found by its time', async (timestamp, at) => {
  await fixture.store({ position: 1, timestamp }, { position: 2 });
  expect(await positionsOf({ from: parseInstant(at), to: parseInstant('9999-12-31T23:59:59.9999999Z') })).toEqual(
    at.startsWith('9') ? [1] : [1, 2],
  );
  expect(await positionsOf({ from: parseInstant('9999-12-31T23:59:59.9999999Z') })).toEqual([]);
  expect(await positionsOf({ receivedTo: parseInstant('9999-12-31T23:59:59.9999999Z') })).toEqual([1, 2]);
});

test.each(orders)(
  'a day that is dropped between two pages takes its events and no others, in order %i',
  async (order) => {
    const copies = Array.from({ length: 30 }, (_, i) => ({
      position: i + 1,
      receivedAt: daysAgo(2 - Math.floor(i / 10)),
      topic: i % 2 === 0 ? 'even' : 'odd',
    }));
    await fixture.store(...copies);
    const day = daysAgo(1).slice(0, 10).replaceAll('-', '');
    const all = copies.map(({ position }) => position);
    if (order === Order.ORDER_DESC) all.reverse();
    const [first, byTopic] = [await ask({ order, limit: 7 }), await ask({ order, limit: 3, topic: 'odd' })];
    await fixture.database.pool.query(`alter table events detach partition events_${day}`);
    await fixture.database.pool.query(`drop table events_${day}`);
    const isLeft = (position: number) => position <= 10 || position > 20;
    const isOdd = (position: number) => position % 2 === 0;
    expect(await positionsOf({ order, cursor: first.nextCursor })).toEqual(all.slice(7).filter(isLeft));
    expect(await positionsOf({ order, cursor: byTopic.nextCursor, topic: 'odd' })).toEqual(
      all.filter(isOdd).slice(3).filter(isLeft),
    );
    // A cursor within the day that is gone.
    const within = (await ask({ order, limit: 10 })).nextCursor;
    expect(await positionsOf({ order, cursor: within })).toEqual(all.slice(10).filter(isLeft));
    expect(await positionsOf({ order, eventId: 'e15' })).toEqual([]);
  },
);

test('an event that was erased is passed over, wherever the cursor is', async () => {
  await fixture.store(...Array.from({ length: 9 }, (_, i) => ({ position: i + 1 })));
  const { nextCursor } = await ask({ limit: 4 });
  await fixture.database.pool.query('delete from events where position in (4, 5, 9)');
  expect(await ask({ cursor: nextCursor, limit: 3 })).toMatchObject({
    events: [{ position: 6n }, { position: 7n }, { position: 8n }],
    nextCursor: '',
  });
});

test('nothing above a given position is searched, and how far it was is told', async () => {
  await fixture.store(...Array.from({ length: 20 }, (_, i) => ({ position: i * 2 + 1, topic: `t${i % 4}` })));
  const { searchEvents } = fixture.queries;
  const none = { source: undefined, eventId: undefined, payload: undefined, topics: undefined } as const;
  const noTimes = {
    receivedFromUs: undefined,
    receivedToUs: undefined,
    happenedFromUs: undefined,
    happenedToUs: undefined,
  };
  const search = async (topic: string | undefined, after: bigint | undefined, upTo: bigint, descending = false) => {
    const topics = topic === undefined ? undefined : ({ kind: 'exact', topic } as const);
    const untilMs = performance.now() + 20_000;
    const bounds = { after, upTo, descending, limit: 5, maxBytes: 1e6, untilMs };
    const { rows, ...rest } = await searchEvents({ ...none, ...noTimes, topics }, bounds);
    return { ...rest, positions: rows.map(({ position }) => Number(position)) };
  };
  expect(await search('t1', undefined, 20n)).toEqual({
    positions: [3, 11, 19],
    searchedTo: 20n,
    end: true,
    stopped: false,
  });
  expect(await search('t9', 7n, 20n)).toEqual({ positions: [], searchedTo: 20n, end: true, stopped: false });
  expect(await search(undefined, 4n, 30n)).toEqual({
    positions: [5, 7, 9, 11, 13],
    searchedTo: 13n,
    end: false,
    stopped: false,
  });
  expect(await search(undefined, 30n, 20n)).toEqual({ positions: [], searchedTo: 30n, end: true, stopped: false });
  expect(await search(undefined, 30n, 5n, true)).toEqual({
    positions: [5, 3, 1],
    searchedTo: 0n,
    end: true,
    stopped: false,
  });
  expect(await search('t1', 11n, 30n, true)).toEqual({ positions: [3], searchedTo: 0n, end: true, stopped: false });
});
