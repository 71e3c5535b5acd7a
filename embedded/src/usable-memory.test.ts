import { expect, test } from 'vitest';
import { usableMemory } from './usable-memory.js';

test('in a container that may have less than the machine has, it is that', () => {
  expect(usableMemory(256, 2)).toBe(2);
});

test('where there is no limit it is all there is, however the system says so', () => {
  expect([undefined, 0, 2 ** 64].map((limit) => usableMemory(256, limit))).toEqual([256, 256, 256]);
});
