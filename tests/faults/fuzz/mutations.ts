import fc from 'fast-check';

/** One change: at a place (a share of the length), so many characters or bytes out, and these in. */
interface Change<T> {
  readonly at: number;
  readonly out: number;
  readonly put: T;
}

/** None at all shrinks best, so it comes first: mostly one change, sometimes a few. */
function changesOf<T>(put: fc.Arbitrary<T>): fc.Arbitrary<Change<T>[]> {
  const change = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    out: fc.oneof(fc.constantFrom(0, 1, 2), fc.nat(40), fc.constant(1_000_000)),
    put,
  });
  return fc.array(change, { minLength: 1, maxLength: 3 });
}

const place = (at: number, length: number) => Math.min(length, Math.floor(at * (length + 1)));

const noise = fc.oneof(
  fc.constant(''),
  fc.constantFrom(...'{}[]",:\\0123456789.eE+-tfnu \n\t\0\ufeff\u2028\u007f'),
  fc.constantFrom('//x', '/**/', '#', 'NaN', 'Infinity', '-Infinity', 'undefined', '{}', '[]', 'null', '"a":1,', ',,'),
  fc.constantFrom('\\u0000', '\\ud800', '\\udfff', '\\u', '\\x41', '\\', '__proto__', '1e400', '1e-20000', '-0'),
  fc.string({ maxLength: 4, unit: 'binary' }),
);

export function mutatedText(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(text, changesOf(noise)).map(([whole, changes]) =>
    changes.reduce((given, { at, out, put }) => {
      const from = place(at, given.length);
      return given.slice(0, from) + put + given.slice(from + out);
    }, whole),
  );
}

const varints = [
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
];
const brokenText = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x28], [0xf4, 0x90, 0x80, 0x80], [0x00], [0xc2]];
const bytes = fc.oneof(
  fc.constant([]),
  fc.array(fc.nat(255), { maxLength: 4 }),
  fc.constantFrom(...varints, ...brokenText),
  fc.constantFrom([0x0b], [0x0c], [0x0b, 0x0c], [0x00], [0x07], [0x2a, 0x00], [0x32, 0x02, 0x7b, 0x7d], [0x10, 0x02]),
);

export function mutatedBytes(whole: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const flips = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(7)), { maxLength: 3 });
  return fc.tuple(whole, changesOf(bytes), flips).map(([given, changes, bits]) => {
    let result = Buffer.from(given);
    for (const { at, out, put } of changes) {
      const from = place(at, result.length);
      result = Buffer.concat([result.subarray(0, from), Buffer.from(put), result.subarray(from + out)]);
    }
    for (const [at, bit] of bits) {
      const from = place(at, result.length - 1);
      if (from < result.length) result[from] = (result[from] as number) ^ (1 << bit);
    }
    return result;
  });
}
