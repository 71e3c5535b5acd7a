import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { Struct } from '@eventsieve/contract/gen/google/protobuf/struct';
import { expect, test } from 'vitest';
import { PayloadFault, structToJson } from './struct-to-json.js';

const encode = (value: object) => Struct.encode(Struct.wrap(value as Record<string, unknown>)).finish();

/** A Struct with one member, whose Value is given encoded. */
function structWith(key: Uint8Array, value: Uint8Array): Uint8Array {
  const entry = new BinaryWriter().uint32(10).bytes(key).uint32(18).bytes(value).finish();
  return new BinaryWriter().uint32(10).bytes(entry).finish();
}
const stringValue = (bytes: Uint8Array) => new BinaryWriter().uint32(26).bytes(bytes).finish();
const numberValue = (number: number) => new BinaryWriter().uint32(17).double(number).finish();

const textOf = (bytes: Uint8Array) => structToJson(bytes, 64).toString();

function faultOf(bytes: Uint8Array, maxDepth = 64): { path: string; message: string } {
  try {
    structToJson(bytes, maxDepth);
  } catch (error) {
    if (error instanceof PayloadFault) return { path: error.path, message: error.message };
    throw error;
  }
  throw new Error('no fault was found');
}

test.each([
  {},
  { a: null, b: true, c: false, d: 'text', e: 1.5, f: -0.25 },
  { list: [1, 'two', null, [true, {}], { deep: [] }], nested: { more: { most: 'x' } } },
  { 'key "quoted"\n': 'é 😀 \u2028 \\ \u0007' },
  { big: 1e300, small: 5e-324, integer: 9_007_199_254_740_991 },
])('%j comes out as the same JSON', (value) => {
  expect(JSON.parse(textOf(encode(value)))).toEqual(value);
});

test('members in another order give the same text', () => {
  expect(textOf(encode({ b: 1, a: { d: 1, c: 2 } }))).toBe(textOf(encode({ a: { c: 2, d: 1 }, b: 1 })));
});

test.each([2, 5, 24, 25, 200])(
  '%d members in any order give the same text, and those of one key stay in theirs',
  (count) => {
    const entries = Array.from({ length: count }, (_, index) => [`k${(index * 7919) % count}`, index] as const);
    const encoded = (of: typeof entries) =>
      Buffer.concat(of.map(([key, value]) => structWith(Buffer.from(key), numberValue(value))));
    const text = textOf(encoded(entries));
    expect(JSON.parse(text)).toEqual(Object.fromEntries(entries));
    expect([...text.matchAll(/"(k\d+)"/g)].map(([, key]) => key)).toEqual(entries.map(([key]) => key).sort());
    expect(textOf(encoded([...entries].reverse()))).toBe(text);
    const twice = textOf(encoded([...entries, ['k0', 'later'.length]]));
    expect(JSON.parse(twice)).toMatchObject({ k0: 'later'.length });
  },
);

test('a __proto__ key is found, at any depth', () => {
  expect(faultOf(structWith(Buffer.from('__proto__'), numberValue(1)))).toEqual({
    path: '__proto__',
    message: 'must not be a key',
  });
  const inner = structWith(Buffer.from('__proto__'), numberValue(1));
  const asValue = new BinaryWriter().uint32(42).bytes(inner).finish();
  expect(faultOf(structWith(Buffer.from('a'), asValue)).path).toBe('a.__proto__');
});

test('NaN and the infinities are refused with their path', () => {
  for (const number of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(faultOf(structWith(Buffer.from('price'), numberValue(number))).path).toBe('price');
  }
});

test('broken UTF-8 and NUL are refused in keys and strings', () => {
  const broken = Buffer.from([0xff, 0xfe]);
  expect(faultOf(structWith(Buffer.from('a'), stringValue(broken)))).toMatchObject({ path: 'a' });
  expect(faultOf(structWith(broken, numberValue(1)))).toMatchObject({ path: '' });
  expect(faultOf(structWith(Buffer.from('a'), stringValue(Buffer.from('x\0y'))))).toMatchObject({ path: 'a' });
  expect(faultOf(structWith(Buffer.from('a\0'), numberValue(1)))).toMatchObject({ path: '' });
});

test('nesting is bounded', () => {
  const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });
  expect(structToJson(encode(nested(10)), 10).toString()).toContain('{}');
  expect(faultOf(encode(nested(11)), 10).message).toContain('nested');
  expect(faultOf(encode({ a: [[[[]]]] }), 4).path).toBe('a[0][0][0]');
});

test('what numbers take more once they are written out is bounded', () => {
  const growth = '1000000000000000000000'.length - '1e+21'.length;
  const two = encode({ a: 1e21, b: [-1e21] });
  expect(structToJson(two, 64, 2 * growth).toString()).toBe('{"a":1e+21,"b":[-1e+21]}');
  expect(() => structToJson(two, 64, 2 * growth - 1)).toThrow('once its numbers are written out');
});

test('the path of a fault stays short, whatever the keys are', () => {
  const key = 'k'.repeat(100_000);
  expect(faultOf(encode({ [key]: { [key]: { [key]: Number.NaN } } })).path.length).toBeLessThan(300);
  expect(faultOf(encode({ 'a b': [{ c: Number.NaN }] })).path).toBe('["a b"][0].c');
});
