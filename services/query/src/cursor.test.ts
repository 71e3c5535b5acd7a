import { expect, it, test } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.js';

test.each([0n, 1n, 255n, 2n ** 53n + 1n, 2n ** 63n - 1n])('position %s comes back from its cursor', (position) => {
  const cursor = encodeCursor(position);
  expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
  expect(decodeCursor(cursor)).toBe(position);
});

it.each(['', 'x', '5', 'AQAAAAAAAAA', 'AQAAAAAAAAAEE', 'AgAAAAAAAAAE', 'Af________9_', 'AQAAAAAAAA+E', "' or 1=1 --"])(
  'refuses %j, and names the field',
  (cursor) => {
    expect(() => decodeCursor(cursor)).toThrow(
      expect.objectContaining({ fields: [expect.objectContaining({ field: 'cursor' })] }),
    );
  },
);
