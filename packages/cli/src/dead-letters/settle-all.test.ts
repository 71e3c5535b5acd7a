import { expect, test } from 'vitest';
import { settleAll } from './settle-all.js';

/** A server with so many open ones, of which each call settles what it is asked for, or a part of it. */
function serverWith(open: number, settles = (asked: number) => asked) {
  const asked: number[] = [];
  const settle = async (limit: number) => {
    const matched = open;
    const done = Math.min(settles(limit), open);
    asked.push(limit);
    if (asked.length > 10) throw new Error('it does not end');
    open -= done;
    return { matched, done };
  };
  return { asked, settle, grow: () => open++ };
}

const all = { choice: {}, limit: Number.POSITIVE_INFINITY, dryRun: false };
const none = () => undefined;

test('more than one call takes are settled in several, and no more than there were at the first', async () => {
  const server = serverWith(2_300);
  // Each call brings one new one, as those do that are dead-lettered again.
  expect(await settleAll(all, server.settle, server.grow)).toBe(2);
  expect(server.asked).toEqual([1_000, 1_000, 300]);
});

test('a limit is kept over several calls', async () => {
  const server = serverWith(5_000);
  expect(await settleAll({ ...all, limit: 1_200 }, server.settle, none)).toBe(3_800);
  expect(server.asked).toEqual([1_000, 200]);
});

test('a call that does not settle what it was asked for is the last', async () => {
  const server = serverWith(2_000, (asked) => asked - 1);
  expect(await settleAll(all, server.settle, none)).toBe(1_001);
  expect(server.asked).toEqual([1_000]);
});

test('a dry run is one call', async () => {
  const server = serverWith(2_000);
  expect(await settleAll({ ...all, dryRun: true }, server.settle, none)).toBe(1_000);
  expect(server.asked).toEqual([1_000]);
});
