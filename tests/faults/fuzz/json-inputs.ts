import fc from 'fast-check';
import { mutatedText } from './mutations.js';

const digits = (max: number) => fc.array(fc.nat(9), { minLength: 1, maxLength: max }).map((list) => list.join(''));

const edgeNumbers = [
  ...['0', '-0', '-0.0e-5', '1.10', '0.1', '-0.30000000000000004', '1E+5', '9007199254740993', '9223372036854775807'],
  ...['1e400', '-1e400', '1e-400', '1e-7', '1e21', '5e-324', '0e999999', '0e-16383', '0e-20000', '0.0e-16382'],
  ...['1e131071', '1e131072', '1e-16383', '1e-16384', '0.00001e131076', '1e200000', '1e99999999999999999999'],
] as const;
const wrongNumbers = ['01', '+1', '.5', '1.', '1e', '1e+', '-', '--1', '0x10', '1_0', 'NaN', 'Infinity', '-Infinity'];
const longNumbers = [
  '9'.repeat(10_000),
  `0.${'3'.repeat(10_000)}`,
  `${'1234567890'.repeat(1000)}.${'1234567890'.repeat(1000)}`,
  '9'.repeat(131_072),
  '9'.repeat(131_073),
  `0.${'1'.repeat(16_383)}`,
  `0.${'1'.repeat(16_384)}`,
];
const built = fc
  .tuple(fc.boolean(), digits(30), fc.option(digits(30)), fc.option(fc.integer({ min: -17_000, max: 132_000 })))
  .map(([minus, whole, decimals, exponent]) => {
    const first = whole.replace(/^0+(?=\d)/, '');
    const rest = `${decimals === null ? '' : `.${decimals}`}${exponent === null ? '' : `e${exponent}`}`;
    return `${minus ? '-' : ''}${first}${rest}`;
  });

const numbers = fc.oneof(
  { weight: 30, arbitrary: fc.integer().map(String) },
  { weight: 20, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)) },
  { weight: 20, arbitrary: built },
  { weight: 20, arbitrary: fc.constantFrom(...edgeNumbers) },
  { weight: 4, arbitrary: fc.constantFrom(...wrongNumbers) },
  { weight: 1, arbitrary: fc.constantFrom(...longNumbers) },
);

const goodPieces = [
  ...['a', 'B', ' ', 'é', '😀', '\u2028', '\u2029', '\ufeff', '\uffff', '\u007f', '\u0085', '{', ']', ':', "'"],
  ...['\\n', '\\"', '\\\\', '\\/', '\\b', '\\u0041', '\\u00e9', '\\ud83d\\ude00', '\\uFFFF', '\\u0001', '\\u001f'],
];
const badPieces = [
  ...['\\u0000', '\0', '\n', '\u0001', '\\ud800', '\\udc00', '\\ude00\\ud83d', '\\ud83d😀', '\\x41', '\\u12', '\\'],
  ...['"', '\\ud800\\u0041', '\\uD83D\\u', "\\'", '\\U0041'],
];
const piecesOf = (badWeight: number) =>
  fc
    .array(
      fc.oneof(
        { weight: 40, arbitrary: fc.constantFrom(...goodPieces) },
        { weight: badWeight, arbitrary: fc.constantFrom(...badPieces) },
      ),
      { maxLength: 6 },
    )
    .map((list) => list.join(''));

/** The inside of a JSON string as it stands in a text, now and then a wrong one. */
export const stringSource = piecesOf(1);

const oddKeys = [
  ...['__proto__', '\\u005f_proto__', '__proto_\\u005f', 'constructor', 'prototype', 'toString', 'hasOwnProperty'],
  ...['', 'a', '\\u0061', 'b', 'a.b', '0', 'length', 'k'.repeat(300)],
];
const keySource = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom('k', 'key ', 'é'), fc.nat(200)).map(([a, b]) => `${a}${b}`) },
  { weight: 2, arbitrary: fc.constantFrom(...oddKeys) },
  { weight: 2, arbitrary: piecesOf(1) },
);
const space = fc.oneof(
  { weight: 20, arbitrary: fc.constant('') },
  { weight: 2, arbitrary: fc.constantFrom(' ', '\n', '\r\n\t') },
  { weight: 1, arbitrary: fc.constantFrom('\u00a0', '\f', '\ufeff') },
);

const { value } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('null', 'true', 'false', '0', '""', '{}', '[]'),
    numbers,
    stringSource.map((source) => `"${source}"`),
    tie('array'),
    tie('object'),
  ),
  array: fc.array(tie('value'), { maxLength: 5 }).map((items) => `[${items.join()}]`),
  object: fc
    .array(fc.tuple(keySource, space, tie('value')), { maxLength: 5 })
    .map((members) => `{${members.map(([key, around, each]) => `"${key}"${around}:${around}${each}`).join()}}`),
}));

export const jsonValue: fc.Arbitrary<string> = value;

const members = (maxLength: number) =>
  fc
    .array(fc.tuple(keySource, value), { maxLength })
    .map((list) => `{${list.map(([key, each]) => `"${key}":${each}`).join()}}`);

const levels = [2, 32, 33, 62, 63, 64, 65, 66, 500, 5_000, 100_000];
const deep = fc
  .tuple(fc.constantFrom(...levels), fc.constantFrom('object', 'array', 'both'), fc.boolean())
  .map(([count, kind, closed]) => {
    const open = { object: '{"a":', array: '[', both: '{"a":[' }[kind];
    const shut = { object: '}', array: ']', both: ']}' }[kind];
    const times = kind === 'both' ? Math.floor(count / 2) : count - 1;
    return `{"a":${open.repeat(times)}${closed ? `0${shut.repeat(times)}}` : ''}`;
  });

/** Short texts that are long once their numbers are written out, and others that only look so. */
const swelling = fc
  .tuple(fc.constantFrom('1e131071', '1e-16383', '1e300', '1e-300', '-1e100000', '0e131071'), fc.nat(60))
  .map(([number, count]) => `{"n":[${Array(count + 1).fill(number)}]}`);

const manyKeys = fc
  .tuple(fc.integer({ min: 15, max: 40 }), fc.option(fc.nat(39)), fc.boolean())
  .map(([count, repeated, escaped]) => {
    const keys = Array.from({ length: count }, (_, i) => `"k${i}":${i}`);
    if (repeated !== null) keys.push(escaped ? `"\\u006b${repeated}":0` : `"k${repeated}":0`);
    return `{${keys}}`;
  });

/** A payload as JSON text: mostly an object that is fine, or nearly. */
export const payloadText: fc.Arbitrary<string> = fc.oneof(
  { weight: 60, arbitrary: members(6) },
  { weight: 25, arbitrary: mutatedText(members(4)) },
  { weight: 4, arbitrary: value },
  { weight: 3, arbitrary: manyKeys },
  { weight: 1, arbitrary: deep },
  { weight: 1, arbitrary: swelling },
);
