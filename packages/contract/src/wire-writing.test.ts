import { expect, test } from 'vitest';
import { appendBytes, newWireBuffer, writtenBytes } from './wire-writing.js';

test.each([0, 1, 3, 4, 64])('bytes are appended whole, however little room is left: %i bytes', (room) => {
  const wire = newWireBuffer(room);
  appendBytes(wire, Buffer.from('ab'));
  appendBytes(wire, Buffer.from('cde'));
  expect(writtenBytes(wire).toString()).toBe('abcde');
});
