import { expect, test } from 'vitest';
import { planRun } from './plan.js';

const topics = ['auth', 'payment', 'orders'];
const keysOf = (count: number, repeats: number, run = 'run') => {
  const plan = planRun({ count, repeats, topics, run });
  return Array.from({ length: count }, (_, index) => plan(index)).map((copy) => `${copy.topic}/${copy.eventId}`);
};

test.each([
  [1, 0],
  [2, 1],
  [7, 3],
  [10, 9],
  [1000, 999],
  [1000, 300],
  [9973, 4999],
  [20_000, 6_000],
])('of %i copies exactly %i repeat one sent before', (count, repeats) => {
  const seen = new Set<string>();
  let repeated = 0;
  for (const key of keysOf(count, repeats)) {
    if (seen.has(key)) repeated++;
    seen.add(key);
  }
  expect(repeated).toBe(repeats);
  expect(seen.size).toBe(count - repeats);
});

test('a repeat is the same event to the letter, topics are drawn evenly, and the run alone decides', () => {
  const plan = planRun({ count: 3000, repeats: 1500, topics, run: 'seed' });
  const contents = new Map<string, string>();
  for (let index = 0; index < 3000; index++) {
    const { eventId, ...rest } = plan(index);
    const content = JSON.stringify(rest);
    expect(contents.get(eventId) ?? content).toBe(content);
    contents.set(eventId, content);
  }
  for (const topic of topics) {
    const drawn = [...contents.values()].filter((content) => content.includes(`"${topic}"`)).length;
    expect(drawn).toBeGreaterThan(400);
  }
  expect(keysOf(100, 30, 'a')).toEqual(keysOf(100, 30, 'a'));
  expect(keysOf(100, 30, 'a')).not.toEqual(keysOf(100, 30, 'b'));
});
