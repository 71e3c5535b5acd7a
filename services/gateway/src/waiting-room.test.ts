import type { EventsieveError } from '@eventsieve/contract/errors';
import { expect, test } from 'vitest';
import { brokerAway, callerGone, overloaded } from './refusals.js';
import { type Attempt, createWaitingRoom } from './waiting-room.js';

const never = Number.POSITIVE_INFINITY;
const stays = () => undefined;

/** Room for so many; what finds some takes it. */
function roomFor(places: number) {
  const room = { places, tries: 0, taken: [] as string[] };
  const attempt = (name: string, change: Partial<Attempt<string>> = {}): Attempt<string> => ({
    kind: 'broker',
    bytes: 10,
    untilMs: never,
    over: stays,
    tryNow: () => {
      room.tries++;
      if (room.places === 0) throw overloaded();
      room.places--;
      room.taken.push(name);
      return name;
    },
    ...change,
  });
  return { room, attempt };
}

const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable('it was let in'),
    ({ reason }: EventsieveError) => reason,
  );

test('what finds room is let in at once, within the call', () => {
  const { room, attempt } = roomFor(1);
  void createWaitingRoom(100).whenRoom(attempt('a'));
  expect(room.taken).toEqual(['a']);
});

test('of one kind whoever came first is let in first, also when there is room again before the next look', async () => {
  const waiting = createWaitingRoom(100);
  const { room, attempt } = roomFor(0);
  const first = [waiting.whenRoom(attempt('a')), waiting.whenRoom(attempt('b'))];
  room.places = 3;
  const all = Promise.all([...first, waiting.whenRoom(attempt('c'))]);
  expect(await all).toEqual(['a', 'b', 'c']);
  expect(room.taken).toEqual(['a', 'b', 'c']);
});

test('one kind does not wait behind another', async () => {
  const waiting = createWaitingRoom(100);
  const [full, free] = [roomFor(0), roomFor(1)];
  let gone: EventsieveError | undefined;
  const stored = waiting.whenRoom(full.attempt('stored', { kind: 'stored', over: () => gone }));
  void waiting.whenRoom(free.attempt('broker'));
  expect(free.room.taken).toEqual(['broker']);
  gone = callerGone();
  expect(await reasonOf(stored)).toBe('CALLER_GONE');
});

test('however many wait, only the first of a kind is tried at a look', async () => {
  const waiting = createWaitingRoom(10_000);
  const { room, attempt } = roomFor(0);
  const all = Array.from({ length: 500 }, (_, i) => waiting.whenRoom(attempt(`${i}`)));
  const probe = waiting.whenRoom(attempt('probe', { kind: 'stored', untilMs: Date.now() + 100 }));
  expect(await reasonOf(probe)).toBe('TOO_MANY_IN_FLIGHT');
  // Two at each of at most eleven looks, and the first of each kind as it came.
  expect(room.tries).toBeLessThan(30);
  room.places = 500;
  await Promise.all(all);
});

test('when the time is up the refusal is the answer', async () => {
  const { room, attempt } = roomFor(0);
  expect(await reasonOf(createWaitingRoom(100).whenRoom(attempt('late', { untilMs: Date.now() + 30 })))).toBe(
    'TOO_MANY_IN_FLIGHT',
  );
  expect(room.tries).toBeGreaterThan(1);
});

test('another refusal than that of pressure is not waited on', async () => {
  const { attempt } = roomFor(0);
  const away = () => {
    throw brokerAway();
  };
  expect(await reasonOf(createWaitingRoom(100).whenRoom(attempt('a', { tryNow: away })))).toBe('BROKER_AWAY');
});

test('what waits is bounded in bytes, one that waits alone is not, and room is given back', async () => {
  const waiting = createWaitingRoom(100);
  const { room, attempt } = roomFor(0);
  const large = waiting.whenRoom(attempt('large', { bytes: 1_000 }));
  expect(await reasonOf(waiting.whenRoom(attempt('small')))).toBe('TOO_MANY_IN_FLIGHT');
  room.places = 1;
  await large;
  const [a, b] = [waiting.whenRoom(attempt('a', { bytes: 50 })), waiting.whenRoom(attempt('b', { bytes: 50 }))];
  room.places = 2;
  expect(await Promise.all([a, b])).toEqual(['a', 'b']);
});
