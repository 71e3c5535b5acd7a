import { expect, test } from 'vitest';
import { sharedBuffers } from './shared-buffers.js';

test('Postgres gets a sixteenth of the memory, within bounds', () => {
  const buffersOf = (gibibytes: number) => sharedBuffers(gibibytes * 2 ** 30);
  expect([0.5, 4, 8, 16, 256].map(buffersOf)).toEqual(['64MB', '256MB', '512MB', '1024MB', '1024MB']);
});
