import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { askStream, followGrpc, followHttp, fromStart, splitsSse } from '../../../tests/support/followers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { decodeCursor } from '../src/cursor.js';
import { openFixture, type QueryFixture } from './query-fixture.js';
import { openStuckCall } from './stuck-call.js';
import { type Doors, openDoors } from './tail-fixture.js';

const patienceMs = 600;
// Much more than the system keeps for a connection by itself.
const events = 400;
const payload = JSON.stringify({ text: 'x'.repeat(100_000) });
let fixture: QueryFixture;
let doors: Doors;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  for (let first = 1; first <= events; first += 50) {
    await fixture.store(...Array.from({ length: 50 }, (_, index) => ({ position: first + index, payload })));
  }
  await fixture.advance(events);
}, 60_000);
afterAll(() => fixture.close());
afterEach(() => doors.stop());

test('who takes nothing over HTTP is ended with an error that says where to go on, and nothing is missed', async () => {
  doors = await openDoors(fixture.queries, { patienceMs });
  const response = await askStream(doors.http, { from: 'start' });
  response.pause();
  await waitUntil('it was given up', () => doors.following.followers() === 0);
  const positions: number[] = [];
  let error: { id: string | undefined; data: string | undefined } | undefined;
  const take = splitsSse(({ id, event, data }) => {
    if (event === 'error') error = { id, data };
    else if (data !== undefined) positions.push(Number(JSON.parse(data).id));
  });
  response.setEncoding('utf8').on('data', take).resume();
  await waitUntil('the stream has ended', () => response.complete || response.destroyed);
  expect(error?.data).toMatch(/^\{"error":\{"code":"resource_exhausted","message":"nothing was taken for 600 ms; /);
  expect(error?.data).toContain(`go on with the cursor ${error?.id}`);
  const at = Number(decodeCursor(error?.id ?? ''));
  expect(at).toBeLessThan(events);
  expect(positions).toEqual(Array.from({ length: at }, (_, index) => index + 1));
  const on = await followHttp(doors.http, {}, { 'last-event-id': error?.id ?? '' });
  await waitUntil('it was given the rest', () => on.positions.at(-1) === events);
  expect(on.positions[0]).toBe(at + 1);
});

test('the same over gRPC: the status has the cursor', async () => {
  doors = await openDoors(fixture.queries, { patienceMs });
  const call = openStuckCall(doors.grpc, fromStart);
  await waitUntil('it follows', () => doors.following.followers() === 1);
  await waitUntil('it was given up', () => doors.following.followers() === 0);
  const { positions, error } = await call.takeAll();
  expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'TOO_SLOW' });
  const at = Number(decodeCursor(error.cursor ?? ''));
  expect(at).toBeLessThan(events);
  expect(positions).toEqual(Array.from({ length: at }, (_, index) => index + 1));
  const on = await followGrpc(doors.client(), { cursor: error.cursor as string });
  await waitUntil('it was given the rest', () => on.positions.at(-1) === events);
  expect(on.positions[0]).toBe(at + 1);
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What this process cannot let go of, followers' own ends included. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('a hundred who take nothing hold little, and hinder nobody', async () => {
  doors = await openDoors(fixture.queries, { patienceMs: 60_000, bufferBytes: 1024 ** 2 });
  const quick = await followHttp(doors.http);
  const before = heldBytes();
  const stuck = await Promise.all(Array.from({ length: 50 }, () => askStream(doors.http, { from: 'start' })));
  const calls = Array.from({ length: 50 }, () => openStuckCall(doors.grpc, fromStart));
  for (const response of stuck) response.pause();
  let last = events;
  for (let round = 0; round < 20; round++) {
    await fixture.store(...Array.from({ length: 10 }, () => ({ position: ++last, payload })));
    await fixture.advance(last);
    await waitUntil('who reads is given it', () => quick.positions.at(-1) === last);
  }
  await waitUntil('all follow', () => doors.following.followers() === 101);
  const grownMb = (heldBytes() - before) / 1024 ** 2;
  console.info(`a hundred who take nothing: ${grownMb | 0} MB for both ends`);
  // 60 MB are on offer to each of them, and a chunk on its way to each is what may be held.
  expect(grownMb).toBeLessThan(100);
  for (const call of calls) call.close();
  for (const response of stuck) response.destroy();
  await waitUntil('those who went are gone', () => doors.following.followers() === 1);
}, 120_000);

test('there are so many, and no more', async () => {
  doors = await openDoors(fixture.queries, { maxFollowers: 2 });
  const [one, two] = [await followHttp(doors.http), await followGrpc(doors.client())];
  const refused = await askStream(doors.http);
  expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '5']);
  const { ended } = await followGrpc(doors.client());
  expect(fromGrpcError(ended as ServiceError)).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    reason: 'TOO_MANY_FOLLOWERS',
    retryAfterMs: 5_000,
  });
  await one.stop();
  await waitUntil('there is room again', () => doors.following.followers() === 1);
  const again = await followHttp(doors.http);
  await again.stop();
  await two.stop();
});

test('different payloads are bounded, too: the same one costs nothing more', async () => {
  doors = await openDoors(fixture.queries);
  const open = (n: number) => followHttp(doors.http, { payload: `{"n": ${n}}` });
  const all = await Promise.all(Array.from({ length: 64 }, (_, n) => open(n)));
  await expect(open(64)).rejects.toThrow(/^429 .*others follow 64 different payloads already/);
  const same = await open(3);
  await Promise.all([...all, same].map((each) => each.stop()));
  await waitUntil('all are gone', () => doors.following.followers() === 0);
  await (await open(64)).stop();
});
