import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { TailEventsRequest, type TailEventsResponse } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { followGrpc, followHttp, fromStart, type Heard } from '../../../tests/support/followers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { decodeCursor, encodeCursor } from '../src/cursor.js';
import { openFixture, type QueryFixture, type StoredCopy } from './query-fixture.js';
import { type Doors, openDoors } from './tail-fixture.js';

const heartbeatMs = 200;
let fixture: QueryFixture;
let doors: Doors;
let last = 0;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
});
afterAll(() => fixture.close());
beforeEach(async () => {
  doors = await openDoors(fixture.queries, { heartbeatMs });
});
afterEach(() => doors.stop());

/** Stores these, and says that they are stored. */
async function store(...copies: readonly Omit<StoredCopy, 'position'>[]): Promise<void> {
  await fixture.store(...copies.map((copy) => ({ ...copy, position: ++last })));
  await fixture.advance(last);
}
const some = (count: number) => Array.from({ length: count }, () => ({}));
const after = (position: number) => Array.from({ length: last - position }, (_, index) => position + index + 1);
const given = (heard: Heard, upTo = last) =>
  waitUntil(`everything up to ${upTo} was given`, () => heard.positions.at(-1) === upTo);

test('from the start, from a cursor and from now, over both doors', async () => {
  await store(...some(10));
  const [sse, grpc] = [await followHttp(doors.http, { from: 'start' }), await followGrpc(doors.client(), fromStart)];
  const before = last;
  const [sseNow, grpcNow] = [await followHttp(doors.http), await followGrpc(doors.client())];
  await given(sse);
  const cursor = sse.cursors[4] as string;
  const cursorAt = sse.positions[4] as number;
  const [sseOn, grpcOn] = [await followHttp(doors.http, { cursor }), await followGrpc(doors.client(), { cursor })];
  await store(...some(10));
  for (const each of [sse, grpc, sseNow, grpcNow, sseOn, grpcOn]) await given(each);
  for (const each of [sse, grpc]) expect(each.positions).toEqual(after(0));
  for (const each of [sseNow, grpcNow]) expect(each.positions).toEqual(after(before));
  for (const each of [sseOn, grpcOn]) expect(each.positions).toEqual(after(cursorAt));
  const total = [sse, sseNow, sseOn].reduce((sum, { positions }) => sum + positions.length, 0);
  await waitUntil('all is counted', () => doors.sent.http === total && doors.sent.grpc === total);
  expect([doors.following.followers(), doors.following.behind()]).toEqual([6, 0]);
  for (const each of [sse, grpc, sseNow, grpcNow, sseOn, grpcOn]) await each.stop();
  await waitUntil('nobody follows', () => doors.following.followers() === 0);
});

test('Last-Event-ID wins over what the URL says, as an EventSource repeats it', async () => {
  await store(...some(6));
  const first = await followHttp(doors.http, { from: 'start' });
  await given(first);
  const header = { 'last-event-id': first.cursors.at(-3) as string };
  const cursor = first.cursors[0] as string;
  for (const query of [{ from: 'start' }, { from: 'now' }, { cursor }, {}]) {
    const again = await followHttp(doors.http, query, header);
    await given(again);
    expect(again.positions).toEqual(after(last - 2));
  }
});

test('what is above the watermark is not given before everything below it is, in order', async () => {
  const [sse, grpc] = [await followHttp(doors.http), await followGrpc(doors.client())];
  const begin = last;
  const late = begin + 3;
  const position = (of: number) => ({ position: begin + of });
  await fixture.store(position(1), position(2), position(4), position(5));
  await fixture.advance(begin + 2, begin + 5);
  for (const each of [sse, grpc]) await given(each, begin + 2);
  // A list shows them already.
  expect(await fixture.database.value('select max(position)::int from events')).toBe(begin + 5);
  const [signs] = [sse.signsOfLife];
  await waitUntil('some time has passed', () => sse.signsOfLife > signs + 1);
  for (const each of [sse, grpc]) expect(each.positions).toEqual([begin + 1, begin + 2]);
  await fixture.store({ position: late });
  last = begin + 5;
  await fixture.advance(last);
  for (const each of [sse, grpc]) {
    await given(each);
    expect(each.positions).toEqual(after(begin));
  }
});

describe('filters', () => {
  const copies = [
    { topic: 'a', eventId: '1', payload: '{"kind": "x", "deep": {"n": 1.0}}', source: 'one' },
    {
      topic: 'a.b',
      eventId: '2',
      payload: '{"kind": "y", "deep": {"n": 1, "m": 2}}',
      timestamp: '2020-01-01T00:00:00Z',
    },
    { topic: 'a.c', eventId: '3', payload: '{"tags": ["x", "y"]}', source: 'one' },
    { topic: 'a.b.c', eventId: '4', payload: '{}', timestamp: '2020-01-02T00:00:00Z' },
    {
      topic: 'a.*',
      eventId: '5',
      payload: '{"kind": "x"}',
      receivedAt: new Date(Date.now() - 86_400_000).toISOString(),
    },
  ] satisfies Omit<StoredCopy, 'position'>[];
  const recently = new Date(Date.now() - 3_600_000).toISOString();
  const cases: readonly (readonly [query: Record<string, string>, wanted: string])[] = [
    [{ topic: 'a.b' }, '2'],
    [{ topic: 'a.*' }, '235'],
    [{ topic: 'a.>' }, '2345'],
    [{ topic: '*.b.>' }, '4'],
    [{ topic_exact: 'a.*' }, '5'],
    [{ source: 'one' }, '13'],
    [{ event_id: '4' }, '4'],
    [{ received_from: recently }, '1234'],
    [{ received_to: recently }, '5'],
    [{ event_from: '2020-01-01T00:00:00Z', event_to: '2020-01-02T00:00:00Z' }, '2'],
    [{ event_to: '2020-01-02T00:00:00.000001Z' }, '24'],
    [{ payload: '{"kind": "x"}' }, '15'],
    [{ payload: '{"deep": {"n": 1}}' }, '12'],
    [{ payload: '{"tags": ["y"]}' }, '3'],
    [{ payload: '{}' }, '12345'],
    [{ payload: '{"kind": "x"}', topic: 'a.>', source: 'shop' }, '5'],
    [{ payload: '{"kind": "z"}' }, ''],
  ];

  const time = (text: string | undefined) =>
    text === undefined
      ? undefined
      : { seconds: BigInt(Math.floor(Date.parse(text) / 1000)), nanos: text.includes('.000001Z') ? 1_000 : 0 };

  test.each(cases)('%j gives the same live and from the past, over both doors', async (query, wanted) => {
    const before = last;
    const { topic_exact: topicExact, event_id: eventId, received_from: from, received_to: to, ...rest } = query;
    const { event_from: happenedFrom, event_to: happenedTo, ...others } = rest;
    const request = TailEventsRequest.fromPartial({
      ...others,
      topicExact: topicExact ?? '',
      eventId: eventId ?? '',
      receivedFrom: time(from && `${from.slice(0, 19)}Z`),
      receivedTo: time(to && `${to.slice(0, 19)}Z`),
      from: time(happenedFrom),
      to: time(happenedTo),
    });
    const live = [await followHttp(doors.http, query), await followGrpc(doors.client(), request)];
    const { cursor } = live[0] as Heard;
    await store(...copies.map((copy) => ({ ...copy, eventId: `${before}-${copy.eventId}` })));
    // The id is another one for each case: an event is stored once.
    if (eventId !== undefined) {
      await store({ ...copies[3], eventId });
    }
    const past = [
      await followHttp(doors.http, { ...query, cursor }),
      await followGrpc(doors.client(), { ...request, cursor }),
    ];
    for (const each of [...live, ...past]) {
      // The cursor moves on although nothing matches.
      await waitUntil('its place is the end', () => decodeCursor(each.cursor) === BigInt(last));
      const expected = eventId === undefined ? [...wanted].map((id) => `${before}-${id}`) : [eventId];
      expect(each.eventIds).toEqual(expected);
    }
  });
});

test('a payload that somebody begins to follow while others do is not missed', async () => {
  const others = await followHttp(doors.http, { payload: '{"a": 1}' });
  const { cursor } = others;
  await store({ payload: '{"b": 1}' }, { payload: '{"a": 1}' });
  await given(others);
  // These events are held already, and nobody has asked whether they contain it.
  const late = await followHttp(doors.http, { payload: '{"b": 1}', cursor });
  const fromBefore = await followHttp(doors.http, { payload: '{"b": 1}', from: 'start' });
  await store({ payload: '{"b": 1, "a": 1}' }, { payload: '{}' }, { payload: '{"b": 1}' });
  await given(late);
  await given(fromBefore);
  for (const each of [late, fromBefore]) expect(each.positions).toEqual([last - 4, last - 2, last]);
});

test('from a time: what was received then or later', async () => {
  const seconds = Math.floor(Date.now() / 1000) - 3_600;
  const at = (ms: number) => ({ receivedAt: new Date(seconds * 1000 + ms).toISOString() });
  await store(at(-1), at(0), at(-3_600_000), {});
  const wanted = [last - 2, last];
  const sse = await followHttp(doors.http, { from: at(0).receivedAt });
  const grpc = await followGrpc(doors.client(), { since: { seconds: BigInt(seconds), nanos: 0 } });
  await store({}, at(-1), {});
  for (const each of [sse, grpc]) {
    await given(each);
    expect(each.positions.filter((position) => position >= (wanted[0] as number))).toEqual([...wanted, last - 2, last]);
    expect(each.positions).not.toContain((wanted[0] as number) - 1);
  }
});

test('an event looks as it does in a list, and no digit is lost', async () => {
  const payload = '{"n": 12345678901234567890.10, "text": "a\\nb\\u2028 ü"}';
  const [sse, struct] = [await followHttp(doors.http), [] as TailEventsResponse[]];
  const call = (payloadFormat: PayloadFormat) =>
    doors.client().tailEvents(TailEventsRequest.fromPartial({ payloadFormat, cursor: sse.cursor }));
  const text: TailEventsResponse[] = [];
  for (const [into, format] of [
    [struct, PayloadFormat.PAYLOAD_FORMAT_UNSPECIFIED],
    [text, PayloadFormat.PAYLOAD_FORMAT_JSON],
  ] as const) {
    call(format)
      .on('data', (response) => response.event && into.push(response))
      .on('error', () => undefined);
  }
  const receivedAt = `${new Date().toISOString().slice(0, 10)}T10:00:00.123456Z`;
  await store({ topic: 't', eventId: `look-${last}`, source: 's', payload, receivedAt });
  await given(sse);
  await waitUntil('all have it', () => struct.length + text.length === 2);
  expect(JSON.parse(sse.messages.at(-1)?.data ?? '')).toEqual({
    id: String(last),
    topic: 't',
    event_id: `look-${last - 1}`,
    source: 's',
    timestamp: '2024-05-01T12:00:00Z',
    received_at: receivedAt,
    payload: JSON.parse(payload),
  });
  expect(sse.messages.at(-1)?.data).toContain('12345678901234567890.10');
  expect(struct[0]?.event?.event?.payload).toEqual(JSON.parse(payload));
  expect(text[0]?.event?.event?.payloadJson).toContain('12345678901234567890.10');
  expect([struct[0]?.cursor, text[0]?.cursor]).toEqual([sse.cursor, sse.cursor]);
});

test('headers and a place come at once, signs of life when nothing else does, and browsers may read it', async () => {
  const quiet = await followHttp(doors.http, { topic: 'nothing-here' }, { origin: 'https://page.example' });
  expect(quiet.response.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
    'access-control-allow-origin': 'https://page.example',
  });
  expect(quiet.messages).toHaveLength(1);
  const { cursor } = quiet;
  await store(...some(3));
  await waitUntil('its place moves on', () => quiet.cursor !== cursor);
  expect(quiet.positions).toEqual([]);
  const on = await followHttp(doors.http, {}, { 'last-event-id': quiet.cursor });
  await store({});
  await given(on);
  expect(on.positions).toEqual([last]);

  const grpc = await followGrpc(doors.client(), { topic: 'nothing-here' });
  await waitUntil('it goes on to live', () => grpc.signsOfLife > 2);
});

test('HEAD has the headers and ends', async () => {
  const response = await fetch(`${doors.http}/events/stream`, { method: 'HEAD' });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
});

test('who comes back before anything was given still gets nothing from before its time', async () => {
  await store(...some(4));
  const header = { 'last-event-id': encodeCursor(BigInt(last - 4)) };
  const [hourAgo, inAnHour] = [-3_600_000, 3_600_000].map((ms) => new Date(Date.now() + ms).toISOString());
  const known = await followHttp(doors.http, { from: hourAgo as string }, header);
  const not = [
    await followHttp(doors.http, { from: inAnHour as string }, header),
    await followHttp(doors.http, { from: inAnHour as string, received_from: hourAgo as string }, header),
    await followHttp(doors.http, { from: hourAgo as string, received_from: inAnHour as string }, header),
  ];
  await given(known);
  expect(known.positions).toEqual(after(last - 4));
  for (const each of not) {
    const { signsOfLife } = each;
    await waitUntil('it has looked at all', () => each.signsOfLife > signsOfLife + 2);
    expect(each.positions).toEqual([]);
  }
});
