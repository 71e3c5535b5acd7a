import { expect, test } from 'vitest';
import { sharedBuffers } from './shared-buffers.js';

const gibibyte = 2 ** 30;

test('Postgres gets a sixteenth of the memory, within bounds', () => {
  expect([0.5, 4, 8, 16, 256].map((gib) => sharedBuffers(gib * gibibyte, undefined))).toEqual([
    '64MB',
    '256MB',
    '512MB',
    '1024MB',
    '1024MB',
  ]);
});

test('in a container that may have less than the machine has, of that', () => {
  expect(sharedBuffers(256 * gibibyte, 2 * gibibyte)).toBe('128MB');
  // What systems say when there is no limit.
  expect(sharedBuffers(8 * gibibyte, 0)).toBe('512MB');
  expect(sharedBuffers(8 * gibibyte, 2 ** 64)).toBe('512MB');
});
