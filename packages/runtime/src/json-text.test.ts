import { describe, expect, it, test } from 'vitest';
import { findPayloadFault } from './json-text.js';
import { growthOf } from './json-text-number.js';

const depth = 64;
const fault = (text: string, maxDepth = depth) => findPayloadFault(text, maxDepth);
const shown = (text: string) => JSON.stringify(text).slice(1, 60);

test.each(
  [
    '{}',
    ' { } \n\t\r',
    '{"a":1,"b":[true,false,null,"x",{}],"c":{"a":1}}',
    '{"":0}',
    '{"n":-0,"m":-0.0e-5,"k":1E+5,"big":1234567890123456789012345678901234567890.5}',
    `{"n":${'9'.repeat(131_072)}}`,
    `{"n":0.${'1'.repeat(16_383)}}`,
    '{"n":1e131071}',
    '{"n":1e-16383}',
    '{"n":0e999999}',
    '{"n":0.00001e131076}',
    '{"s":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\ude00😀é"}',
    '{"constructor":1,"toString":2,"proto":3,"__proto":4}',
    `{${Array.from({ length: 100 }, (_, i) => `"key${i}":${i}`).join()}}`,
  ].map((text) => [shown(text), text]),
)('takes %s', (_, text) => {
  expect(fault(text)).toBeUndefined();
});

const refused: readonly (readonly [text: string, path: string, message: string])[] = [
  ['', '', 'expected a value at offset 0, but the text ends'],
  ['[1]', '', 'must be a JSON object'],
  ['null', '', 'must be a JSON object'],
  ['"x"', '', 'must be a JSON object'],
  ['{} x', '', 'follows the value at offset 3'],
  ['{}{}', '', 'follows the value at offset 2'],
  ['{"a":1,}', '', 'a key in quotes at offset 7'],
  ['{a:1}', '', 'a key in quotes'],
  ["{'a':1}", '', 'a key in quotes'],
  ['{"a" 1}', '', '":"'],
  ['{"a":1 "b":2}', '', '"," or "}"'],
  ['{"a":[1,]}', 'a[1]', 'expected a value'],
  ['{"a":[1 2]}', 'a', '"," or "]"'],
  ['{"a":[', 'a[0]', 'the text ends'],
  ['{"a":tru}', 'a', 'expected a value'],
  ['{"a":NaN}', 'a', 'expected a value'],
  ['{"a":01}', '', '"," or "}"'],
  ['{"a":+1}', 'a', 'expected a value'],
  ['{"a":.5}', 'a', 'expected a value'],
  ['{"a":1.}', 'a', 'a digit'],
  ['{"a":1e}', 'a', 'a digit'],
  ['{"a":-}', 'a', 'a digit'],
  ['{"a":"x', 'a', 'a closing quote'],
  ['{"a":"\n"}', 'a', 'a control character'],
  ['{"a":"\\x"}', 'a', 'an escape'],
  ['{"a":"\\u00g0"}', 'a', 'four hex digits'],
  ['\ufeff{}', '', 'expected a value at offset 0'],
  ['{"a":1,"a":2}', 'a', 'duplicate key'],
  ['{"a":1,"\\u0061":2}', 'a', 'duplicate key'],
  ['{"\\u0061":1,"a":2}', 'a', 'duplicate key'],
  ['{"o":{"x":[{"k":1,"j":1,"k":2}]}}', 'o.x[0].k', 'duplicate key'],
  [`{${Array.from({ length: 40 }, (_, i) => `"k${i}":0`).join()},"k39":1}`, 'k39', 'duplicate key'],
  [`{${Array.from({ length: 40 }, (_, i) => `"k${i}":0`).join()},"k0":1}`, 'k0', 'duplicate key'],
  ['{"a":{"__proto__":1}}', 'a.__proto__', 'cannot be taken'],
  ['{"\\u005f_proto__":1}', '__proto__', 'cannot be taken'],
  ['{"a":"\\u0000"}', 'a', 'NUL'],
  ['{"a":"\0"}', 'a', 'NUL'],
  ['{"a\\u0000":1}', '', 'NUL'],
  ['{"a":"\\ud800"}', 'a', 'lone surrogate'],
  ['{"a":"\\udc00"}', 'a', 'lone surrogate'],
  ['{"a":"\\ud800\\ud800"}', 'a', 'lone surrogate'],
  ['{"a":"\ud800"}', 'a', 'lone surrogate'],
  ['{"a":"\udc00\ud800"}', 'a', 'lone surrogate'],
  ['{"a":"\\ud83d\ude00"}', 'a', 'lone surrogate'],
  ['{"items":[0,1,{"price":1e200000}]}', 'items[2].price', 'a number that cannot be stored'],
  ['{"a":1e-20000}', 'a', 'a number that cannot be stored'],
  ['{"a":0e-20000}', 'a', 'a number that cannot be stored'],
  ['{"a":1e131072}', 'a', 'a number that cannot be stored'],
  ['{"a":1e99999999999999999999}', 'a', 'a number that cannot be stored'],
  [`{"a":${'9'.repeat(131_073)}}`, 'a', 'a number that cannot be stored'],
  [`{"a":0.${'1'.repeat(16_384)}}`, 'a', 'a number that cannot be stored'],
  ['{"a b":{"c.d":[nope]}}', '["a b"]["c.d"][0]', 'expected a value'],
];

test.each(refused.map(([text, path, message]) => [shown(text), path, message, text] as const))(
  'refuses %s at "%s"',
  (_, path, message, text) => {
    expect(fault(text)).toEqual({ path, message: expect.stringContaining(message) });
  },
);

describe('nesting', () => {
  const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
  it('is taken up to the limit and refused one level above it', () => {
    expect(fault(nested(8), 8)).toBeUndefined();
    expect(fault(nested(9), 8)?.message).toBe('is nested deeper than 8 levels');
  });
  it.each(['[', '{"a":'])('of 100,000 times %s is refused without exhausting the stack, whatever the limit', (open) => {
    expect(fault(open.repeat(100_000))?.message).toContain('nested deeper');
    expect(fault(open.repeat(100_000), 1_000_000)?.message).toContain('nested deeper');
  });
});

describe('numbers that are written out when they are read again', () => {
  const grown = (number: string, maxGrowth: number) => findPayloadFault(`{"a":[${number}]}`, depth, maxGrowth);
  it.each([
    ['1e131071', 131_064],
    ['-1e131071', 131_064],
    ['1e-16383', 16_385 - 8],
    ['1.5e3', 0],
    ['1e5', 3],
    ['12.5e4', 0],
    ['0.00001e131076', 131_072 - 14],
    ['0e-16383', 16_385 - 8],
    ['0e999999', 0],
    ['123', 0],
  ])('%s takes %i characters more', (number, growth) => {
    expect(grown(number, growth)).toBeUndefined();
    if (growth > 0)
      expect(grown(number, growth - 1)).toMatchObject({ path: 'a[0]', message: expect.stringMatching('written out') });
    expect(growthOf(number.replace(/^-/, ''))).toBe(growth);
  });
  it('are counted together', () => {
    expect(findPayloadFault('{"a":1e9,"b":[1e9]}', depth, 14)).toBeUndefined();
    expect(findPayloadFault('{"a":1e9,"b":[1e9]}', depth, 13)?.path).toBe('b[0]');
  });
});

it('keeps the path of a fault short, whatever the keys are', () => {
  const key = 'k'.repeat(10_000);
  expect(fault(`{"${key}":${`{"${key}":`.repeat(60)}x`)?.path.length).toBeLessThan(300);
});

it('agrees with JSON.parse on what is JSON', () => {
  // A fixed seed: a failure comes back.
  let state = 42;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const atoms = ['0', '-1', '1.5', '2e3', '-0.1E-2', 'true', 'false', 'null', '""', '"a"', '"\\n"', '"é"', '{}', '[]'];
  const space = () => ['', '', '', ' ', '\n', '\t '][random(6)];
  let keys = 0;
  const value = (level: number): string => {
    const kind = level > 4 ? 0 : random(3);
    if (kind === 0) return `${space()}${atoms[random(atoms.length)]}${space()}`;
    const parts = Array.from({ length: random(4) }, () => value(level + 1));
    if (kind === 1) return `[${parts.join()}${space()}]`;
    return `{${parts.map((part) => `${space()}"k${keys++}"${space()}:${part}`).join()}}`;
  };
  const noise = '{}[]",:\\0123456789.eE+-tfn u\n';
  let valid = 0;
  for (let i = 0; i < 40_000; i++) {
    let text = `{"root":${value(0)}}`;
    for (let changes = random(3); changes > 0; changes--) {
      const at = random(text.length);
      text = text.slice(0, at) + noise.charAt(random(noise.length)) + text.slice(at + random(2));
    }
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {}
    const found = fault(text);
    if (parsed === undefined || parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) {
      expect(found, text).toBeDefined();
    } else if (found !== undefined) {
      expect(found.message, text).toMatch(/duplicate key|number that cannot be stored|NUL|surrogate/);
    } else valid++;
  }
  expect(valid).toBeGreaterThan(10_000);
});
