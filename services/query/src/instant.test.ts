import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { formatInstant, instantOfMicros, parseInstant } from './instant.js';

test.each([
  ['2024-05-01T12:00:00Z', '2024-05-01T12:00:00Z'],
  ['2024-05-01t12:00:00z', '2024-05-01T12:00:00Z'],
  ['2024-05-01 12:00:00', '2024-05-01T12:00:00Z'],
  ['2024-05-01T12:00', '2024-05-01T12:00:00Z'],
  ['2024-05-01T12:00:00', '2024-05-01T12:00:00Z'],
  ['2024-05-01T12:00:00+02:00', '2024-05-01T10:00:00Z'],
  ['2024-05-01T12:00:00-0530', '2024-05-01T17:30:00Z'],
  ['2024-05-01T12:00:00+02', '2024-05-01T10:00:00Z'],
  ['2024-05-01T12:00:00.5Z', '2024-05-01T12:00:00.500Z'],
  ['2024-05-01T12:00:00.000001Z', '2024-05-01T12:00:00.000001Z'],
  ['2024-05-01T12:00:00,123456789999Z', '2024-05-01T12:00:00.123456789Z'],
  ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
  ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
  ['0001-01-01T01:00:00+01:00', '0001-01-01T00:00:00Z'],
  ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
  ['1969-12-31T23:59:59.25Z', '1969-12-31T23:59:59.250Z'],
])('%s is read as %s', (text, expected) => {
  const instant = parseInstant(text);
  expect(instant && formatInstant(instant)).toBe(expected);
});

test.each([
  '',
  'now',
  '2024-05-01',
  '20240501T120000Z',
  '2024-05-01T12',
  '2024-13-01T00:00:00Z',
  '2023-02-29T00:00:00Z',
  '2024-04-31T00:00:00Z',
  '2024-00-10T00:00:00Z',
  '2024-05-01T24:00:00Z',
  '2024-05-01T12:60:00Z',
  '2024-05-01T12:00:61Z',
  '2024-05-01T12:00:00+25:00',
  '2024-05-01T12:00:00 +02:00',
  '2024-05-01T12:00:00.Z',
  '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00+01:00',
  '9999-12-31T23:59:59-01:00',
  '+12024-05-01T12:00:00Z',
  ' 2024-05-01T12:00:00Z',
  '1714564800',
])('%j is refused', (text) => {
  expect(parseInstant(text)).toBeUndefined();
});

it('reads the usual way of writing as any other', () => {
  const two = (most: number) => fc.nat(most).map((value) => String(value).padStart(2, '0'));
  const anyText = fc
    .tuple(fc.nat(9999), two(13), two(32), two(25), two(61), two(61), fc.option(fc.nat(999)))
    .map(([year, month, day, hour, minute, second, milli]) => {
      const whole = `${String(year).padStart(4, '0')}-${month}-${day}T${hour}:${minute}:${second}`;
      return milli === null ? whole : `${whole}.${String(milli).padStart(3, '0')}`;
    });
  fc.assert(
    fc.property(anyText, (text) => {
      expect(parseInstant(`${text}Z`)).toEqual(parseInstant(`${text}+00:00`));
    }),
    { numRuns: 3000 },
  );
});

it('takes microseconds apart on both sides of 1970', () => {
  expect(instantOfMicros(1_500_000n)).toEqual({ seconds: 1n, nanos: 500_000_000 });
  expect(instantOfMicros(-1n)).toEqual({ seconds: -1n, nanos: 999_999_000 });
  expect(instantOfMicros(-2_000_000n)).toEqual({ seconds: -2n, nanos: 0 });
});
