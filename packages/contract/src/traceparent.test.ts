import { expect, test } from 'vitest';
import { readTraceparent } from './traceparent.js';

const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test.each([valid, valid.replace(/01$/, '00'), valid.replace(/^00/, 'cc'), `${valid.replace(/^00/, '01')}-more.of-it`])(
  '%s may travel on',
  (value) => {
    expect(readTraceparent(value)).toBe(value);
  },
);

test.each([
  undefined,
  '',
  5,
  [valid],
  valid.toUpperCase(),
  valid.replace(/^00/, 'ff'),
  `${valid}-more`,
  `${valid} `,
  ` ${valid}`,
  `${valid}\r\nx: y`,
  `${valid}\n`,
  valid.slice(0, -1),
  valid.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32)),
  valid.replace('b7ad6b7169203331', '0'.repeat(16)),
  valid.replace('b7ad', 'b7ag'),
  `${valid.replace(/^00/, '01')}-a b`,
  `${valid.replace(/^00/, '01')}-${'a'.repeat(100)}`,
])('%j is ignored', (value) => {
  expect(readTraceparent(value)).toBeUndefined();
});
