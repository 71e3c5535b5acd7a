import { expect, test } from 'vitest';
import { encodeCursor } from './cursor.js';
import { decodeNameCursor, encodeNameCursor } from './name-cursor.js';

test.each(['', 'orders', 'ü/?#+', '😀'.repeat(255)])('a cursor holds the name "%s"', (name) => {
  const cursor = encodeNameCursor(name);
  expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
  expect(decodeNameCursor(cursor)).toBe(name);
});

const asText = (...bytes: readonly number[]) => Buffer.from(bytes).toString('base64url');

test.each([
  ['', 'nothing'],
  ['!!', 'other characters'],
  [encodeCursor(0x61616161_61616161n), 'a position'],
  [asText(2, 0xff), 'no UTF-8'],
  [asText(2, 0x61, 0), 'a NUL'],
  [encodeNameCursor('x'.repeat(256)), 'a name that is too long'],
])('"%s" is refused: %s', (cursor) => {
  expect(() => decodeNameCursor(cursor)).toThrow('cursor: is not a cursor of this list');
});
