import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatInstant, parseInstant } from './instant.js';

test('an instant as text is read back as the same, whatever was formatted before it', () => {
  const seconds = fc.oneof(
    fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
    fc.bigInt({ min: 1_700_000_000n, max: 1_700_000_012n }),
  );
  const nanos = fc.oneof(
    fc.constantFrom(0, 1, 1_000, 1_000_000, 120_000_000),
    fc.integer({ min: 0, max: 999_999_999 }),
  );
  fc.assert(
    fc.property(fc.array(fc.record({ seconds, nanos }), { minLength: 1, maxLength: 30 }), (instants) => {
      for (const instant of instants) expect(parseInstant(formatInstant(instant))).toEqual(instant);
    }),
  );
});

test.each([
  [0, '2023-11-14T22:13:20Z'],
  [120_000_000, '2023-11-14T22:13:20.120Z'],
  [120_000, '2023-11-14T22:13:20.000120Z'],
  [1, '2023-11-14T22:13:20.000000001Z'],
])('%d ns are as many decimals as it takes, in threes', (nanos, text) => {
  expect(formatInstant({ seconds: 1_700_000_000n, nanos })).toBe(text);
});
