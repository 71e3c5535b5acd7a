import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readFilter } from '../filter/read-filter.js';
import type { EventRow } from '../sql/event-row.js';
import { type Channel, type Chunk, chunkOfRows, createChannel } from './channel.js';
import { jsonMessages as encoding } from './encoding.js';
import { createEventRing, type EventRing } from './event-ring.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

let ring: EventRing;
let channel: Channel;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  ring = createEventRing(1024 ** 2);
  const filter = readFilter({ topic: '', topicExact: '', source: '', eventId: '', payload: '' }, []);
  channel = createChannel({ ring, filter, payload: undefined, encoding, chunkBytes: () => 1024 });
  channel.followers = 2;
});
afterEach(() => vi.useRealTimers());

const rowOf = (position: number): EventRow => ({
  position: String(position),
  topic: 't',
  event_id: `e${position}`,
  source: 's',
  payload: '{}',
  timestamp_us: '0',
  received_at_us: '0',
});

function append(position: number): void {
  const event = { row: rowOf(position), contains: [], readAtMs: performance.now(), encoded: new Map() };
  ring.append([{ ...event, position: BigInt(position) }], BigInt(position));
}

const read = async () => chunkOfRows([rowOf(1)], 1n, encoding, performance.now());
const older = () => channel.older(0n, () => true, read) as Promise<Chunk>;

test('those who come to the same place are given the same chunk, and nothing is held for one alone', async () => {
  append(1);
  expect(channel.after(0n)).toBe(channel.after(0n));
  channel.followers = 1;
  channel.tidy();
  expect(channel.after(0n)).not.toBe(channel.after(0n));
  expect(await older()).not.toBe(await older());
  channel.followers = 2;
  ring.restart(5n);
  expect(await older()).toBe(await older());
});

test('what was read ten seconds ago is given to nobody, however late the chunk was made of it', async () => {
  append(1);
  vi.advanceTimersByTime(9_000);
  append(2);
  const chunk = channel.after(0n);
  expect(chunk.events).toBe(2);
  vi.advanceTimersByTime(900);
  expect(channel.after(0n)).toBe(chunk);
  vi.advanceTimersByTime(200);
  ring.dropReadBefore(performance.now() - 10_000);
  expect(channel.after(0n).events).toBe(1);
});

test('what is forgotten is made anew for who comes next', async () => {
  append(1);
  const ofRing = channel.after(0n);
  channel.forget();
  expect(channel.after(0n)).not.toBe(ofRing);
  ring.restart(5n);
  channel.forget();
  const ofPostgres = await older();
  channel.forget();
  expect(await older()).not.toBe(ofPostgres);
});

test.each(['old', 'of one alone'])('what is %s is let go of, though nobody asks', async (which) => {
  append(1);
  const ofRing = new WeakRef(channel.after(0n));
  const ofPostgres = new WeakRef((await channel.older(3n, () => true, read)) as Chunk);
  const isHeld = async () => {
    channel.tidy();
    await new Promise(setImmediate);
    collectGarbage();
    return [ofRing, ofPostgres].map((each) => each.deref() !== undefined);
  };
  expect(await isHeld()).toEqual([true, true]);
  if (which === 'old') vi.advanceTimersByTime(10_000);
  else channel.followers = 1;
  expect(await isHeld()).toEqual([false, false]);
});
