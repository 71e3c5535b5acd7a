import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { ListEventsRequest, Order } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { matchesTopic, topicFilterOf } from '../src/filter/topic-filter.js';
import { formatInstant, instantOfMicros } from '../src/instant.js';
import { listEvents } from '../src/rpc/list-events.js';
import { patternPrefix, patternRegex } from '../src/search/topic-pattern.js';
import {
  isWanted,
  type Json,
  type KnownEvent,
  pick,
  randomOf,
  type Wanted,
  writeChapters,
} from './list-events-world.js';
import { openFixture, type QueryFixture } from './query-fixture.js';

const random = randomOf(20_261_121);
const topics = ['a', 'a.b', 'a.b.c', 'a.c', 'a..c', 'b', 'b.b', 'B.b', 'a.*', 'x+(y)[z].$', 'é.😀', 'a.b.c.d', '>'];
const sources = ['shop', 'shop-2', 'Shop', 'till'];
const patterns = [
  '*',
  '>',
  'a.*',
  'a.>',
  '*.b',
  '*.*',
  'a.*.c',
  'a.b.>',
  'x+(y)[z].*',
  'é.>',
  '*.😀',
  'nowhere.*',
  'a.*.>',
];
const hourUs = 3_600_000_000n;
const beginUs = BigInt(Date.now() - 40 * 3_600_000) * 1000n;

const payloadOf = (): Json => ({
  n: random(5),
  exact: pick(random, ['1.10', '1.1', 'x']),
  tags: Array.from({ length: random(3) }, () => pick(random, ['red', 'blue', 'ü'])),
  in: { deep: { flag: random(2) === 0, none: null }, list: [{ k: random(3) }, { k: random(3) }] },
});
const partOf = (): Json =>
  pick(random, [
    { n: random(5) },
    {},
    { tags: ['red'] },
    { tags: [] },
    { in: { deep: { flag: true } } },
    { in: { list: [{ k: random(3) }] }, n: random(5) },
    { in: { deep: { none: null } } },
    { exact: '1.10' },
    { never: 1 },
    { n: '1' },
  ]);

/** Positions with gaps, clocks that jump. */
function makeEvents(count: number, firstPosition: number): KnownEvent[] {
  const taken = new Set<string>();
  let position = firstPosition;
  let clockUs = beginUs;
  return Array.from({ length: count }, () => {
    position += 1 + (random(10) === 0 ? random(40) : 0);
    clockUs += BigInt(random(20)) * 60_000_000n + BigInt(random(1000));
    if (random(25) === 0) clockUs = beginUs + BigInt(random(38)) * hourUs;
    if (clockUs > beginUs + 39n * hourUs) clockUs = beginUs;
    let topic: string;
    let eventId: string;
    do {
      topic = pick(random, topics);
      eventId = `e${random(count)}`;
    } while (taken.has(`${topic} ${eventId}`));
    taken.add(`${topic} ${eventId}`);
    const happenedUs = clockUs - BigInt(random(12)) * hourUs + (random(30) === 0 ? -50_000n * hourUs : 0n);
    return {
      position,
      topic,
      eventId,
      source: pick(random, sources),
      receivedUs: clockUs,
      happenedUs,
      payload: payloadOf(),
    };
  });
}

const timeOf = (us: bigint) => formatInstant(instantOfMicros(us));
const copyOf = ({ receivedUs, happenedUs, payload, ...rest }: KnownEvent) => ({
  ...rest,
  receivedAt: timeOf(receivedUs),
  timestamp: timeOf(happenedUs),
  payload: JSON.stringify(payload),
});

let fixture: QueryFixture;
let events: KnownEvent[];
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  events = makeEvents(500, 0);
  await fixture.store(...events.map(copyOf));
  const last = events.at(-1)?.position ?? 0;
  await fixture.advance(last - 40);
  while (await fixture.database.value<boolean>('select roll_up_v1(1000)'));
  await writeChapters(fixture.database.pool, events, 16, last - 40);
});
afterAll(() => fixture.close());

function requestOf(wanted: Wanted, changes: Partial<ListEventsRequest> = {}): ListEventsRequest {
  const instant = (us: bigint | undefined) => (us === undefined ? undefined : instantOfMicros(us));
  const { topic = '', topicExact = '', source = '', eventId = '', payload } = wanted;
  return ListEventsRequest.fromPartial({
    topic,
    topicExact,
    source,
    eventId,
    receivedFrom: instant(wanted.receivedFromUs),
    receivedTo: instant(wanted.receivedToUs),
    from: instant(wanted.fromUs),
    to: instant(wanted.toUs),
    payload: payload === undefined ? '' : JSON.stringify(payload),
    payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON,
    ...changes,
  });
}

/** Pages through everything, with another limit each time. */
async function readAll(wanted: Wanted, order: Order, betweenPages: () => Promise<unknown> = async () => undefined) {
  const positions: number[] = [];
  let cursor = '';
  do {
    const limit = pick(random, [1, 7, 20, 50, 100, 1000]);
    const page = await listEvents(fixture.queries, requestOf(wanted, { order, cursor, limit }));
    expect(page.events.length).toBeLessThanOrEqual(limit);
    expect(page.stopped).toBe(false);
    positions.push(...page.events.map(({ position }) => Number(position)));
    cursor = page.nextCursor;
    await betweenPages();
  } while (cursor !== '');
  return positions;
}

function expectedOf(wanted: Wanted, order: Order): number[] {
  const positions = events.filter((event) => isWanted(event, wanted)).map(({ position }) => position);
  return order === Order.ORDER_DESC ? positions.reverse() : positions;
}

/** Now and then the very microsecond of an event, to see on which side of a bound it is. */
function someTime(of: (event: KnownEvent) => bigint): bigint {
  return random(2) === 0 ? of(pick(random, events)) : beginUs + BigInt(random(40 * 60)) * 60_000_000n;
}
const ordered = (one: bigint, other: bigint) => (one < other ? [one, other] : [other, one]);
const received = (event: KnownEvent) => event.receivedUs;
const happened = (event: KnownEvent) => event.happenedUs;

const kinds: readonly (() => Wanted)[] = [
  () => ({
    topic: pick(
      random,
      topics.filter((topic) => !/[*>]/.test(topic)),
    ),
  }),
  () => ({ topic: pick(random, patterns) }),
  () => ({ topicExact: pick(random, topics) }),
  () => ({ source: pick(random, [...sources, 'nobody']) }),
  () => ({ eventId: pick(random, events).eventId }),
  () => ({ receivedFromUs: someTime(received) }),
  () => ({ receivedToUs: someTime(received) }),
  () => {
    const [from, to] = ordered(someTime(received), someTime(received));
    return { receivedFromUs: from as bigint, receivedToUs: to as bigint };
  },
  () => ({ fromUs: someTime(happened) }),
  () => ({ toUs: someTime(happened) }),
  () => {
    const [from, to] = ordered(someTime(happened), someTime(happened));
    return { fromUs: from as bigint, toUs: to as bigint };
  },
  () => ({ payload: partOf() }),
];

function mixOf(count: number): Wanted {
  let wanted: Wanted = {};
  for (let i = 0; i < count; i++) wanted = { ...wanted, ...pick(random, kinds)() };
  const { topicExact, ...rest } = wanted;
  wanted = rest.topic === undefined && topicExact !== undefined ? { ...rest, topicExact } : rest;
  const { receivedFromUs: from, receivedToUs: to, fromUs, toUs } = wanted;
  const turned =
    (from !== undefined && to !== undefined && from > to) ||
    (fromUs !== undefined && toUs !== undefined && fromUs > toUs);
  return turned ? mixOf(count) : wanted;
}

const shown = (wanted: Wanted) =>
  JSON.stringify(wanted, (_, value) => (typeof value === 'bigint' ? timeOf(value) : value));

test.each([Order.ORDER_ASC, Order.ORDER_DESC])('each filter alone finds what it says, in order %i', async (order) => {
  let found = 0;
  for (const kind of kinds) {
    for (let i = 0; i < 4; i++) {
      const wanted = kind();
      const positions = await readAll(wanted, order);
      expect(positions, shown(wanted)).toEqual(expectedOf(wanted, order));
      found += positions.length;
    }
  }
  expect(found).toBeGreaterThan(500);
});

test.each([Order.ORDER_ASC, Order.ORDER_DESC])('filters in any mix find what they say, in order %i', async (order) => {
  let found = 0;
  for (let i = 0; i < 70; i++) {
    const wanted = mixOf(2 + random(3));
    const positions = await readAll(wanted, order);
    expect(positions, shown(wanted)).toEqual(expectedOf(wanted, order));
    found += positions.length;
  }
  expect(found).toBeGreaterThan(500);
});

test('a pattern means in Postgres what it means here', async () => {
  const given = [...topics, 'a.b\nc', 'a.', '.', 'a.b.', 'b.b.b', '*.b', 'a_b', 'ab', '\\.b', 'a\\b.c'];
  for (const text of [...patterns, 'a.b.*.>', '\\.*', 'a_b.>', '{1}.*', '^.*', '*.$']) {
    const filter = topicFilterOf(text);
    if (filter.kind !== 'pattern') throw new Error(text);
    const { rows } = await fixture.database.pool.query<{ topic: string }>(
      `select topic from unnest($1::text[]) t (topic) where topic ~ $2 and starts_with(topic, $3)`,
      [given, patternRegex(filter), patternPrefix(filter)],
    );
    expect(
      rows.map(({ topic }) => topic),
      text,
    ).toEqual(given.filter((topic) => matchesTopic(filter, topic)));
  }
});

test.each([Order.ORDER_ASC, Order.ORDER_DESC])(
  'what was there before a paged read began is in it once, while events arrive, in order %i',
  async (order) => {
    for (const wanted of [
      {},
      { topic: 'a.>' },
      { source: 'shop' },
      { payload: { n: 3 } },
      { receivedFromUs: beginUs + hourUs },
    ]) {
      const before = expectedOf(wanted, order);
      const positions = await readAll(wanted, order, async () => {
        const more = makeEvents(3, events.at(-1)?.position ?? 0).map((event) => ({
          ...event,
          eventId: `later${event.position}`,
        }));
        await fixture.store(...more.map(copyOf));
        events.push(...more);
      });
      const sorted = [...new Set(positions)].sort((one, other) =>
        order === Order.ORDER_DESC ? other - one : one - other,
      );
      expect(positions).toEqual(sorted);
      expect(before.filter((position) => !positions.includes(position))).toEqual([]);
      expect(expectedOf(wanted, order)).toEqual(expect.arrayContaining(positions));
    }
  },
);
