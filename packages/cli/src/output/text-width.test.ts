import { expect, test } from 'vitest';
import { cutTo, printable, widthOf } from './text-width.js';

test('wide letters and emoji take two columns, and what is put on a letter takes none', () => {
  expect(['abc', '日本', '👩‍👩‍👧', 'e\u0301', '한', 'ﾊ'].map(widthOf)).toEqual([3, 4, 2, 1, 2, 1]);
});

test.each([
  ['abc', 3, 'abc'],
  ['abcd', 3, 'ab…'],
  ['日本語', 6, '日本語'],
  ['日本語', 5, '日本…'],
  ['日本語', 4, '日…'],
  ['a日本', 4, 'a日…'],
  ['abcé', 4, 'abcé'],
  ['x', 1, 'x'],
  ['xy', 1, '…'],
])('%s in %i columns is %s', (text, columns, cut) => {
  expect(cutTo(text, columns)).toBe(cut);
  expect(widthOf(cut)).toBeLessThanOrEqual(columns);
});

test('what steers a terminal is shown, and not sent to it', () => {
  expect(printable('a\u001b[2J\u009b1m\r\n\t\u202e\u2066\u2028z')).toBe(
    'a\\u001b[2J\\u009b1m\\u000d\\u000a\\u0009\\u202e\\u2066\\u2028z',
  );
  expect(printable('שלום, 日本 é 👍')).toBe('שלום, 日本 é 👍');
});
