import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { ListEventsRequest, Order } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { decodeCursor } from '../src/cursor.js';
import { readFilter } from '../src/filter/read-filter.js';
import { listEvents } from '../src/rpc/list-events.js';
import { bindings } from '../src/search/bindings.js';
import { scanEvents } from '../src/search/scan-events.js';
import { searchesEvents } from '../src/search/search-events.js';
import { slotsOf } from '../src/search/slots.js';
import { walkIndex } from '../src/search/walk-index.js';
import { openFixture, type QueryFixture } from './query-fixture.js';

const count = 120_000;
// Prime, so that they are spread over topics and sources.
const every = 7_919;

let fixture: QueryFixture;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  await fixture.database.pool.query(`
    insert into events
    select p, now() - interval '1 hour', 't.' || p % 5, 'e' || p, now(), 's' || p % 3,
           jsonb_build_object('n', p, 'rare', p % ${every} = 0)
    from generate_series(1, ${count}) p`);
  await fixture.database.pool.query(
    `insert into topic_counters (topic, shard, unique_count) select 't.' || n, 0, ${count} / 5 from generate_series(0, 4) n`,
  );
});
afterAll(() => fixture.close());

const rare = Array.from({ length: Math.floor(count / every) }, (_, i) => (i + 1) * every);

const ask = (changes: Partial<ListEventsRequest>, searchTimeoutMs = 1, searchEvents = fixture.queries.searchEvents) =>
  listEvents(
    { searchEvents, searchTimeoutMs },
    ListEventsRequest.fromPartial({ payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON, ...changes }),
  );
const payload = '{"rare": true}';

async function askUntilEnd(request: Partial<ListEventsRequest>) {
  const found: number[] = [];
  const stops: bigint[] = [];
  let cursor = '';
  do {
    const page = await ask({ ...request, cursor });
    found.push(...page.events.map(({ position }) => Number(position)));
    if (page.stopped) stops.push(decodeCursor(page.nextCursor));
    cursor = page.nextCursor;
  } while (cursor !== '');
  return { found, stops };
}

describe('a search whose time is up', () => {
  it.each<[string, Partial<ListEventsRequest>, (position: number) => boolean]>([
    ['a payload', { payload }, () => true],
    ['a payload in a topic', { topic: 't.2', payload }, (position) => position % 5 === 2],
    ['a payload of a source', { source: 's1', payload }, (position) => position % 3 === 1],
    ['a payload in several topics', { topic: 't.*', payload }, () => true],
    ['a topic and a source', { topic: 't.2', source: 's1', payload }, (p) => p % 5 === 2 && p % 3 === 1],
    ['a time', { payload, receivedFrom: { seconds: 0n, nanos: 0 } }, () => true],
  ])('for %s says so, goes on at its cursor, and in the end has found everything once', async (_, request, fits) => {
    for (const order of [Order.ORDER_ASC, Order.ORDER_DESC]) {
      const { found, stops } = await askUntilEnd({ ...request, order, limit: 3 });
      const expected = rare.filter(fits);
      expect(found).toEqual(order === Order.ORDER_DESC ? expected.reverse() : expected);
      expect(stops.length).toBeGreaterThan(1);
      // Each goes on, in the direction of the order.
      const sorted = [...new Set(stops)].sort((one, other) => Number(one - other));
      expect(stops).toEqual(order === Order.ORDER_DESC ? sorted.reverse() : sorted);
    }
  });

  it('may have an empty page and a cursor', async () => {
    const { events, nextCursor, stopped } = await ask({ payload: '{"n": -1}' });
    expect({ events, stopped }).toEqual({ events: [], stopped: true });
    expect(decodeCursor(nextCursor)).toBeGreaterThan(0n);
  });

  it('is not what ends a page that is full, or all there is', async () => {
    expect(await ask({ limit: 1000 }, 20_000)).toMatchObject({
      stopped: false,
      nextCursor: expect.stringMatching(/./),
    });
    expect(await ask({ payload }, 20_000)).toMatchObject({ nextCursor: '', stopped: false });
  });
});

test('a search that needs long waits for a slot within its time, and goes as far as it can without one', async () => {
  const slots = slotsOf(1);
  const search = searchesEvents({ database: fixture.queries.database, planned: fixture.planned, slots });
  const slow = { payload: '{"n": -1}', topic: 't.>' };
  await slots.take(performance.now());
  // With one it would come to the end in this time.
  const page = await ask(slow, 2_000, search);
  expect(page).toMatchObject({ events: [], stopped: true });
  expect(decodeCursor(page.nextCursor)).toBeGreaterThan(0n);
  // A short one needs none.
  expect((await ask({ topic: 't.1' }, 60, search)).events).toHaveLength(100);

  slots.give();
  expect(await ask(slow, 20_000, search)).toMatchObject({ nextCursor: '', stopped: false });
  // It was given back.
  expect(await slots.take(performance.now())).toBe(true);
});

test('a pattern that fits more topics than are walked side by side finds the events of all of them', async () => {
  const topics = Array.from({ length: 70 }, (_, i) => `many.${i}`);
  await fixture.store(...topics.map((topic, i) => ({ position: count + 1 + i, topic, source: 'many' })));
  const of = async (request: Partial<ListEventsRequest>) =>
    (await ask({ limit: 1000, ...request }, 20_000)).events.map(({ event }) => event?.topic);
  expect(await of({ topic: 'many.*' })).toEqual(topics);
  expect(await of({ topic: 'many.*', order: Order.ORDER_DESC })).toEqual(topics.toReversed());
  expect(await of({ topic: 'many.*', source: 'many' })).toEqual(topics);
  expect(await of({ topic: 'many.1*' })).toEqual([]);
  // Side by side, with more events in some of them than one takes at a time.
  const some = await of({ topic: 't.*', limit: 900, payload: '{"rare": false}' });
  expect(some.slice(0, 6)).toEqual(['t.1', 't.2', 't.3', 't.4', 't.0', 't.1']);
});

describe('side by side', () => {
  const everything = { low: 1n, high: 10n ** 9n, receivedFromUs: undefined, receivedToUs: undefined };
  const walk = async (
    topics: readonly string[],
    payload: string,
    descending: boolean,
    budgetMs: number,
    stretch = everything,
  ) => {
    const filter = readFilter({ topic: '', topicExact: '', source: '', eventId: '', payload }, []);
    const page = { descending, rows: 257, maxBytes: 1_000_000 };
    const statement = bindings();
    const index = { kind: 'topics', topics } as const;
    const asked = walkIndex(filter, { ...page, index, stretch, budgetMs }, statement.bind);
    return scanEvents(fixture.queries.database, asked, statement, page);
  };

  it('each topic is looked at even where there is next to no time', async () => {
    const topics = Array.from({ length: 5 }, (_, i) => `t.${i}`);
    expect((await walk(topics, '{"n": -1}', false, 0.001)).searchedTo).toBeGreaterThanOrEqual(1n);
    expect((await walk(topics, '{"n": -1}', true, 0.001)).searchedTo).toBeLessThanOrEqual(BigInt(count));
  });

  it.each([
    ['a walk', ['t.1']],
    ['walks side by side', ['t.1', 't.2', 't.3']],
  ])('%s stopped know to the event how far they have come', async (_, topics) => {
    for (const descending of [false, true]) {
      let rest: typeof everything | undefined = { ...everything, low: 1001n, high: 1500n };
      const found: number[] = [];
      let walks = 0;
      while (rest !== undefined) {
        const { rows, searchedTo } = await walk(topics, '{"rare": false}', descending, 0.001, rest);
        found.push(...rows.map(({ position }) => Number(position)));
        walks++;
        if (searchedTo === undefined) break;
        rest = descending ? { ...rest, high: searchedTo - 1n } : { ...rest, low: searchedTo + 1n };
      }
      const expected = Array.from({ length: 500 }, (_, i) => 1001 + i).filter((position) =>
        topics.includes(`t.${position % 5}`),
      );
      expect(found).toEqual(descending ? expected.reverse() : expected);
      expect(walks).toBeGreaterThan(5);
    }
  });

  it('nothing is shown beyond where a topic may have more', async () => {
    const first = count + 1000;
    const uneven = (i: number) => ({ position: first + i, topic: `uneven.${Math.floor(i / 300)}` });
    await fixture.store(...Array.from({ length: 600 }, (_, i) => uneven(i)));
    // So many that each gives fewer than a page.
    const topics = Array.from({ length: 40 }, (_, i) => `uneven.${i}`);
    for (const descending of [false, true]) {
      const { rows, searchedTo } = await walk(topics, '', descending, 10_000);
      const expected = Array.from({ length: 102 }, (_, i) => (descending ? first + 599 - i : first + i));
      expect(rows.map(({ position }) => Number(position))).toEqual(expected);
      expect(searchedTo).toBe(BigInt(expected.at(-1) ?? 0));
    }
  });
});

test('an id is found among more topics than are looked up one by one', async () => {
  await fixture.store({ position: count + 100, topic: 'zz', eventId: 'unique' });
  await fixture.database.pool.query(
    `insert into topic_counters (topic, shard) select 'other.' || n, 0 from generate_series(1, 5001) n`,
  );
  const { events } = await ask({ eventId: 'unique' }, 20_000);
  expect(events.map(({ position }) => position)).toEqual([BigInt(count + 100)]);
});
