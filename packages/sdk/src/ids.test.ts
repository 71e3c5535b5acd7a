import { afterEach, expect, test, vi } from 'vitest';
import { EventsieveError } from './error.js';
import { type IdField, idFrom, newEventId } from './ids.js';

afterEach(() => {
  vi.restoreAllMocks();
});

// Worked out by another program, from the description. Whoever changes one of them gives every event of every user a
// second id.
test.each<[string, readonly [IdField, ...IdField[]]]>([
  ['WgdB3KHcW53xR3rELqcVWjYJMjYkDhsyVdOmh73qDUQ', ['order', 4711]],
  ['-5EldM7K1UxqC8dbRhcjULY3SSnWAtX7y0yg7IMf1TI', ['']],
  ['UZ0xmz15zGZhAUfyrxaJuQKvLvJzElayH6w6D-Vm0n0', ['ä€😀', -1.5e-7, 1e21, -0]],
  ['9kUyRbKAls6Hfvl3jq5WWPs7ZYJUfBHWtwa05D8rRTg', [12345678901234567890n, true, false, null]],
  ['Kbxb3X_TQQVg-TyfJpSQI0jiTMZvOAvIReaOzY-Qd1k', [new Date('2024-05-01T12:00:00.123Z')]],
])('%s is the id of its fields for ever', (id, fields) => {
  expect(idFrom(...fields)).toBe(id);
});

test('lists of fields that look alike have ids of their own', () => {
  const lists: readonly (readonly [IdField, ...IdField[]])[] = [
    ['ab', 'c'],
    ['a', 'bc'],
    ['abc'],
    ['abc', ''],
    ['', 'abc'],
    ['abc', null],
    ['s1:a'],
    ['1', '1'],
    ['11'],
    [1],
    ['1'],
    [1n],
    [true],
    ['true'],
    [null],
    ['null'],
    [''],
    [new Date(0)],
    [new Date(0).toISOString()],
    [0],
  ];
  expect(new Set(lists.map((fields) => idFrom(...fields))).size).toBe(lists.length);
  expect(idFrom(-0)).toBe(idFrom(0));
  expect(idFrom(1.0)).toBe(idFrom(1));
  expect(idFrom('x', 'y')).toMatch(/^[\w-]{43}$/);
});

test.each([
  ['nothing', []],
  ['undefined', ['a', undefined]],
  ['an object', ['a', {}]],
  ['NaN', ['a', Number.NaN]],
  ['Infinity', ['a', Number.POSITIVE_INFINITY]],
  ['a time that is none', ['a', new Date(Number.NaN)]],
  ['half a character', ['a', '\ud800']],
])('%s makes no id', (_, fields) => {
  const make = () => (idFrom as (...fields: unknown[]) => string)(...fields);
  expect(make).toThrow(EventsieveError);
  expect(make).toThrow(/^event_id: idFrom /);
});

test('ids made here are UUIDs of version 7, of now, none like another and each greater than the one before', () => {
  const before = Date.now();
  const ids = Array.from({ length: 20_000 }, newEventId);
  const after = Date.now();
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids.map((id) => id.slice(-12))).size).toBe(ids.length);
  const msOf = (id = '') => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  expect(msOf(ids[0])).toBeGreaterThanOrEqual(before);
  expect(msOf(ids.at(-1))).toBeLessThanOrEqual(after);
});

test('a clock that goes back makes no id smaller', () => {
  const real = Date.now();
  const clock = vi.spyOn(Date, 'now');
  const ids = [5_000, 4_000, 4_000, 0, 6_000].map((ms) => {
    clock.mockReturnValue(real + ms);
    return newEventId();
  });
  expect([...ids].sort()).toEqual(ids);
});
