import { expect, test } from 'vitest';
import { paceOf, type Way } from './ways.js';

const positions: Way = { kind: 'positions' };
const topics: Way = { kind: 'topics', topics: ['a', 'b'] };

test('each way is tried, and the fastest one taken for as long as it is', () => {
  const pace = paceOf([positions, topics]);
  expect(pace.next()).toBe(positions);
  pace.went(positions, 1_000n, 10);
  expect(pace.next()).toBe(topics);
  pace.went(topics, 5_000n, 10);
  expect(pace.next()).toBe(topics);
  pace.went(topics, 100n, 10);
  expect(pace.next()).toBe(positions);
});
