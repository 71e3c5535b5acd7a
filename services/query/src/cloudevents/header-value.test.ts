import { expect, test } from 'vitest';
import { decodeHeaderValue } from './header-value.js';

test.each([
  ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
  ['plain', 'plain'],
  ['"quoted \\"text\\" \\\\ and %41"', 'quoted "text" \\ and A'],
  ['"open', '"open'],
  ['%2525', '%25'],
  ['100%', '100%'],
  ['%zz', '%zz'],
  [Buffer.from('é').toString('latin1'), 'é'],
  ['', ''],
  // Overlong, cut short, and a byte that is none of UTF-8's.
  ['%C0%A0', undefined],
  ['%E2%82', undefined],
  ['\u00ff', undefined],
])('%j is %j', (value, text) => {
  expect(decodeHeaderValue(value)).toBe(text);
});
