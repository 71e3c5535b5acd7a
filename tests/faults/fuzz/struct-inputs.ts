import fc from 'fast-check';
import { limits } from './limits.js';
import { bytesField, doubleField, nestedGroups, varint, wholeField } from './wire.js';

/** A google.protobuf.Struct or Value, encoded, and the JSON that it means; undefined when it has to be refused. */
export interface Encoded {
  readonly bytes: Buffer;
  readonly json: string | undefined;
}

const value = { null: 1, number: 2, string: 3, bool: 4, struct: 5, list: 6 } as const;
const text = (content: string) => Buffer.from(content);
const plainStrings = ['', 'a', 'é', '😀', '\u2028', '\u0001', '\u007f', '"\\', '\ufeff', '\uffff', 'x'.repeat(300)];
/** NUL, a surrogate half as three bytes, overlong forms, beyond U+10FFFF, cut off. */
const brokenStrings = [
  [0x61, 0],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
  [0xe0, 0x80, 0xaf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe2, 0x82],
];

const strings = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...plainStrings) },
  { weight: 20, arbitrary: fc.string({ unit: 'grapheme', maxLength: 8 }).filter((each) => !each.includes('\0')) },
);
const stringValue: fc.Arbitrary<Encoded> = fc.oneof(
  {
    weight: 40,
    arbitrary: strings.map((each) => ({ bytes: bytesField(value.string, text(each)), json: JSON.stringify(each) })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...brokenStrings)
      .map((each) => ({ bytes: bytesField(value.string, Buffer.from(each)), json: undefined })),
  },
);
const doubles = fc.oneof(
  { weight: 10, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  { weight: 10, arbitrary: fc.integer() },
  { weight: 5, arbitrary: fc.constantFrom(-0, 5e-324, 1.7976931348623157e308, 2 ** 53 + 2, 1e21, 1e-7) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY) },
);
const numberValue = doubles.map(
  (each): Encoded => ({
    bytes: doubleField(value.number, each),
    json: Number.isFinite(each) ? JSON.stringify(each) : undefined,
  }),
);
const simple: fc.Arbitrary<Encoded> = fc.oneof(
  fc.constantFrom<Encoded[]>(
    { bytes: wholeField(value.null, 0), json: 'null' },
    { bytes: wholeField(value.null, 5), json: 'null' },
    { bytes: Buffer.alloc(0), json: 'null' },
    { bytes: wholeField(value.bool, 1), json: 'true' },
    { bytes: wholeField(value.bool, 0), json: 'false' },
    { bytes: wholeField(value.bool, 2n ** 63n), json: 'true' },
  ),
  numberValue,
  stringValue,
);

const unknown = fc.constantFrom(
  ...[Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0), wholeField(99, 2n ** 63n)],
  ...[bytesField(200, text('x')), doubleField(77, 1), nestedGroups(3, 50), nestedGroups(90, 50)],
);

const keys = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(fc.constantFrom('k', 'é'), fc.nat(99)).map(([a, b]) => text(`${a}${b}`)) },
  { weight: 4, arbitrary: fc.constantFrom('a', 'a', 'b', '', 'constructor', 'toString', 'k'.repeat(5_000)).map(text) },
  { weight: 1, arbitrary: fc.constantFrom(text('__proto__'), ...brokenStrings.map((each) => Buffer.from(each))) },
);
const goodKey = (key: Buffer) =>
  !key.includes(0) && Buffer.from(key.toString()).equals(key) && key.toString() !== '__proto__';

/** An entry: the key may be missing, come last, or come twice. */
const entry = (inner: fc.Arbitrary<Encoded>): fc.Arbitrary<Encoded & { readonly key: string }> =>
  fc.tuple(keys, inner, fc.nat(20), unknown).map(([key, { bytes, json }, shape, more]) => {
    const named = bytesField(1, key);
    const valued = bytesField(2, bytes);
    const whole =
      shape === 0
        ? [valued]
        : shape === 1
          ? [valued, more, named]
          : shape === 2
            ? [bytesField(1, text('x')), named, valued]
            : [named, more, valued];
    const seen = shape === 0 ? Buffer.alloc(0) : key;
    return { key: seen.toString(), bytes: bytesField(1, Buffer.concat(whole)), json: goodKey(seen) ? json : undefined };
  });

function structOf(entries: readonly (Encoded & { readonly key: string })[], more: Buffer): Encoded {
  const bytes = Buffer.concat([more, ...entries.map((each) => each.bytes)]);
  if (entries.some(({ json }) => json === undefined)) return { bytes, json: undefined };
  return { bytes, json: `{${entries.map(({ key, json }) => `${JSON.stringify(key)}:${json}`).join()}}` };
}

const { struct } = fc.letrec<{ value: Encoded; struct: Encoded; list: Encoded }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: simple },
    {
      weight: 1,
      arbitrary: tie('struct').map(({ bytes, json }) => ({ bytes: bytesField(value.struct, bytes), json })),
    },
    { weight: 1, arbitrary: tie('list').map(({ bytes, json }) => ({ bytes: bytesField(value.list, bytes), json })) },
    // A oneof that is written twice: the last one counts.
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          simple.filter(({ json }) => json !== undefined),
          simple,
        )
        .map(lastCounts),
    },
  ),
  struct: fc
    .tuple(fc.array(entry(tie('value')), { maxLength: 5 }), unknown)
    .map(([entries, more]) => structOf(entries, more)),
  list: fc.array(tie('value'), { maxLength: 5 }).map((items) => ({
    bytes: Buffer.concat(items.map(({ bytes }) => bytesField(1, bytes))),
    json: items.some(({ json }) => json === undefined) ? undefined : `[${items.map(({ json }) => json).join()}]`,
  })),
}));

function lastCounts([first, last]: [Encoded, Encoded]): Encoded {
  return { bytes: Buffer.concat([first.bytes, last.bytes]), json: last.bytes.length === 0 ? first.json : last.json };
}

/** So many objects, one in another: the innermost is empty. */
function nestedStruct(levels: number): Encoded {
  const parts: Buffer[] = [Buffer.alloc(0)];
  let length = 0;
  for (let level = 1; level < levels; level++) {
    const own = Buffer.concat([bytesField(1, text('a'))]);
    const inValue = Buffer.concat([Buffer.from([value.struct * 8 + 2]), varint(length)]);
    const inEntry = Buffer.concat([own, Buffer.from([0x12]), varint(length + inValue.length), inValue]);
    const head = Buffer.concat([Buffer.from([0x0a]), varint(length + inEntry.length), inEntry]);
    parts.push(head);
    length += head.length;
  }
  const json = `${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`;
  return { bytes: Buffer.concat(parts.reverse()), json };
}

const deep = fc.constantFrom(32, 33, 63, 64, 65, 500, 5_000).map((levels) => ({
  ...nestedStruct(levels),
  ...(levels > 64 ? { json: undefined } : {}),
}));

/** A few bytes a number, and three hundred digits once it is written out: beyond so many it is too long to be read. */
const swelling = fc.constantFrom(1_700, 1_800, 4_000).map((count): Encoded => {
  const numbers = Buffer.concat(Array.from({ length: count }, () => bytesField(1, doubleField(value.number, 1e300))));
  const entry = Buffer.concat([bytesField(1, text('n')), bytesField(2, bytesField(value.list, numbers))]);
  const fits = count * ('1'.padEnd(301, '0').length - '1e+300'.length) <= limits.maxEventBytes;
  return { bytes: bytesField(1, entry), json: fits ? `{"n":[${Array(count).fill('1e300')}]}` : undefined };
});

export const structInput: fc.Arbitrary<Encoded> = fc.oneof(
  { weight: 300, arbitrary: struct },
  { weight: 5, arbitrary: deep },
  { weight: 1, arbitrary: swelling },
);
