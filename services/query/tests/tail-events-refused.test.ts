import type { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { type TailEventsRequest, TailStart } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askStream, followGrpc, followHttp, textOf } from '../../../tests/support/followers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { encodeCursor } from '../src/cursor.js';
import { openFixture, type QueryFixture } from './query-fixture.js';
import { type Doors, openDoors } from './tail-fixture.js';

let fixture: QueryFixture;
let doors: Doors;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  doors = await openDoors(fixture.queries);
});
afterAll(async () => {
  await doors.stop();
  await fixture.close();
});

const cursor = 'AQAAAAAAAAAB';
test.each([
  ['from=yesterday', 'from'],
  ['from=constructor', 'from'],
  [`from=start&cursor=${cursor}`, 'cursor'],
  ['cursor=nope', 'cursor'],
  ['topic=a&topic_exact=b', 'topic_exact'],
  ['payload=[]', 'payload'],
  ['payload={"a":"\\u0000"}', 'payload'],
  ['received_from=x', 'received_from'],
  ['event_to=x', 'event_to'],
  ['to=2026-01-01T00:00:00Z', 'to'],
  ['source=', 'source'],
  [`topic=${'x'.repeat(256)}`, 'topic'],
])('what is wrong is named over HTTP: %s', async (query, field) => {
  const response = await askStream(doors.http, Object.fromEntries(new URLSearchParams(query)));
  expect(response.statusCode).toBe(400);
  const body = JSON.parse(await textOf(response)) as { error: { fields: { field: string }[] } };
  expect(body.error.fields.map((each) => each.field)).toEqual([field]);
});

test('what is wrong is named over HTTP: an order of times, by the names that they have there', async () => {
  const [early, late] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'];
  for (const kind of ['event', 'received']) {
    const response = await askStream(doors.http, { [`${kind}_from`]: late, [`${kind}_to`]: early, from: early });
    expect(response.statusCode).toBe(400);
    expect(JSON.parse(await textOf(response))).toMatchObject({
      error: { fields: [{ field: `${kind}_to`, message: `must not be before ${kind}_from` }] },
    });
  }
});

test('what is wrong is named over HTTP: Last-Event-ID', async () => {
  const response = await askStream(doors.http, {}, { 'last-event-id': '7' });
  expect([response.statusCode, await textOf(response)]).toEqual([400, expect.stringContaining('"Last-Event-ID"')]);
});

const time = { seconds: 0n, nanos: 0 };
const cases: readonly (readonly [Partial<TailEventsRequest>, string])[] = [
  [{ start: TailStart.TAIL_START_NOW, cursor }, 'cursor'],
  [{ start: TailStart.TAIL_START_BEGINNING, since: time }, 'since'],
  [{ cursor, since: time }, 'since'],
  [{ cursor: 'nope' }, 'cursor'],
  [{ start: 7 as TailStart }, 'start'],
  [{ since: { seconds: 1n << 50n, nanos: 0 } }, 'since'],
  [{ receivedTo: { seconds: 0n, nanos: -1 } }, 'received_to'],
  [{ payload: '1' }, 'payload'],
  [{ payloadFormat: 9 as PayloadFormat }, 'payload_format'],
  [{ topic: 'a', topicExact: 'b' }, 'topic_exact'],
  [{ source: 'a\0' }, 'source'],
];
test.each(cases)('what is wrong is named over gRPC: %o', async (request, field) => {
  const { ended } = await followGrpc(doors.client(), request);
  expect(fromGrpcError(ended as ServiceError)).toMatchObject({ code: 'INVALID_ARGUMENT', fields: [{ field }] });
});

describe('a cursor', () => {
  const beyond = encodeCursor(100n);
  const refusalOf = async (query: Record<string, string>, headers: Record<string, string> = {}) => {
    const response = await askStream(doors.http, query, headers);
    expect(response.statusCode).toBe(400);
    return (JSON.parse(await textOf(response)) as { error: { fields: unknown } }).error.fields;
  };

  test.each(['nobody follows', 'somebody does'])('of another database is refused while %s', async (when) => {
    const other = when === 'nobody follows' ? undefined : await followHttp(doors.http);
    const message = 'is beyond everything that is stored';
    expect(await refusalOf({ cursor: beyond })).toEqual([{ field: 'cursor', message }]);
    expect(await refusalOf({}, { 'last-event-id': beyond })).toEqual([{ field: 'Last-Event-ID', message }]);
    const { ended } = await followGrpc(doors.client(), { cursor: beyond });
    expect(fromGrpcError(ended as ServiceError)).toMatchObject({
      code: 'INVALID_ARGUMENT',
      fields: [{ field: 'cursor', message }],
    });
    await other?.stop();
    await waitUntil('nobody is held for', () => doors.following.followers() === 0);
  });

  test('that a list gave of what is above the watermark, or above what is known of the stream, is taken', async () => {
    await fixture.store({ position: 5 }, { position: 9 });
    await fixture.advance(5, 7);
    const early = await Promise.all([7n, 9n].map((at) => followHttp(doors.http, { cursor: encodeCursor(at) })));
    expect(await refusalOf({ cursor: encodeCursor(10n) })).toHaveLength(1);
    await fixture.store({ position: 12 });
    await fixture.advance(12);
    const [seven, nine] = early;
    await waitUntil('both go on', () => early.every(({ positions }) => positions.at(-1) === 12));
    expect([seven?.positions, nine?.positions]).toEqual([[9, 12], [12]]);
    for (const each of early) await each.stop();
  });
});
