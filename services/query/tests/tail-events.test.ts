import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { followGrpc, followHttp, fromStart } from '../../../tests/support/followers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { openFixture, type QueryFixture } from './query-fixture.js';
import { type Doors, openDoors } from './tail-fixture.js';

let fixture: QueryFixture;
let doors: Doors;
let last = 0;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
});
afterAll(() => fixture.close());
beforeEach(async () => {
  doors = await openDoors(fixture.queries);
});
afterEach(() => doors.stop());

/** Stores so many more, and says that they are. */
async function storeMore(count: number): Promise<number[]> {
  const positions = Array.from({ length: count }, () => ++last);
  await fixture.store(...positions.map((position) => ({ position })));
  await fixture.advance(last);
  return positions;
}
const all = () => Array.from({ length: last }, (_, index) => index + 1);
const given = (heard: { positions: readonly number[] }, upTo = last) =>
  waitUntil('everything was given', () => heard.positions.at(-1) === upTo);

test('from the start, from a cursor and from now, over both doors', async () => {
  await storeMore(10);
  const [sse, grpc] = [await followHttp(doors.http, { from: 'start' }), await followGrpc(doors.client(), fromStart)];
  const [sseNow, grpcNow] = [await followHttp(doors.http), await followGrpc(doors.client())];
  const before = last;
  await given(sse);
  const cursor = sse.cursors[4] as string;
  const [sseOn, grpcOn] = [await followHttp(doors.http, { cursor }), await followGrpc(doors.client(), { cursor })];
  await storeMore(10);
  for (const each of [sse, grpc, sseNow, grpcNow, sseOn, grpcOn]) await given(each);
  for (const each of [sse, grpc]) expect(each.positions).toEqual(all());
  for (const each of [sseNow, grpcNow]) expect(each.positions).toEqual(all().slice(before));
  for (const each of [sseOn, grpcOn]) expect(each.positions).toEqual(all().slice(sse.positions[4]));
  for (const each of [sse, grpc, sseNow, grpcNow, sseOn, grpcOn]) await each.stop();
  await waitUntil('nobody follows', () => doors.following.followers() === 0);
});
