import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compactJson } from './compact-json.js';

test.each([
  ['{}', '{}'],
  ['{"a": 1, "b": [1, 2.10, null]}', '{"a":1,"b":[1,2.10,null]}'],
  ['{"a, b": "c: d, \\" e, \\\\"}', '{"a, b":"c: d, \\" e, \\\\"}'],
  ['{"\\\\": 1, "b": " "}', '{"\\\\":1,"b":" "}'],
])('%s is %s', (text, compact) => {
  expect(compactJson(text)).toBe(compact);
});

/** As jsonb writes it. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${spaced(each)}`);
  return `{${members.join(', ')}}`;
}

test('any value is what it is without spaces between', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(compactJson(spaced(value))).toBe(JSON.stringify(value));
    }),
    { numRuns: 500 },
  );
});
