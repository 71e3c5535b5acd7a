import fc from 'fast-check';
import { payloadText } from './json-inputs.js';
import { mutatedBytes } from './mutations.js';
import { type Encoded, structInput } from './struct-inputs.js';
import { bytesField, nestedGroups, wholeField } from './wire.js';

const field = { topic: 1, eventId: 2, timestamp: 3, source: 4, payload: 5, payloadJson: 6 } as const;
const text = (content: string) => Buffer.from(content);

const broken = [[], [0], [0x61, 0x0a], [0x7f], [0xc2, 0x85], [0xff], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf8, 0x88]];
const words = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.tuple(fc.constantFrom('t', 'a.b', 'é', '😀', '> *'), fc.nat(999)).map(([a, n]) => text(`${a}${n}`)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('x', 'é', '😀'), fc.constantFrom(254, 255, 256, 9_000))
      .map(([a, n]) => text(a.repeat(n))),
  },
  { weight: 1, arbitrary: fc.constantFrom(...broken).map((each) => Buffer.from(each)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((each) => Buffer.from(each)) },
);

const edgeSeconds = [
  -62_135_596_801n,
  -62_135_596_800n,
  253_402_300_799n,
  253_402_300_800n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];
const seconds = fc.oneof(
  { weight: 20, arbitrary: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }) },
  { weight: 1, arbitrary: fc.constantFrom(...edgeSeconds) },
);
const nanos = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 0, max: 999_999_999 }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 1_000_000_000, 2 ** 31 - 1, -(2 ** 31)) },
);
const timestamp = fc.tuple(seconds, nanos).map(([s, n]) => Buffer.concat([wholeField(1, s), wholeField(2, BigInt(n))]));

const payload = fc.oneof(
  { weight: 12, arbitrary: payloadText.map((json) => bytesField(field.payloadJson, text(json))) },
  { weight: 12, arbitrary: structInput.map(({ bytes }) => bytesField(field.payload, bytes)) },
  {
    weight: 2,
    arbitrary: mutatedBytes(structInput.map(({ bytes }) => bytes)).map((bytes) => bytesField(field.payload, bytes)),
  },
  { weight: 2, arbitrary: mutatedBytes(payloadText.map(text)).map((bytes) => bytesField(field.payloadJson, bytes)) },
  { weight: 1, arbitrary: fc.constant(Buffer.alloc(0)) },
  {
    weight: 1,
    arbitrary: fc.constant(
      Buffer.concat([bytesField(field.payload, text('')), bytesField(field.payloadJson, text('{}'))]),
    ),
  },
);

const extra = fc.constantFrom(
  ...Array(12).fill(Buffer.alloc(0)),
  bytesField(field.topic, text('again')),
  wholeField(field.topic, 1),
  bytesField(field.timestamp, Buffer.alloc(0)),
  wholeField(field.payload, 7),
  bytesField(1000, text('unknown')),
  nestedGroups(4, 30),
  nestedGroups(200, 30),
);

const event: fc.Arbitrary<Buffer> = fc
  .tuple(words, words, timestamp, words, payload, extra, fc.nat(200))
  .map(([topic, eventId, at, source, content, more, missing]) => {
    const fields = [
      bytesField(field.topic, topic),
      bytesField(field.eventId, eventId),
      bytesField(field.timestamp, at),
    ];
    fields.push(bytesField(field.source, source), content, more);
    return Buffer.concat(fields.filter((_, index) => index !== missing));
  });

const waitFor = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(0, 1, 2) },
  { weight: 1, arbitrary: fc.constantFrom(3, 9, -1, 2 ** 31 - 1, -(2 ** 31)) },
);
const request = fc
  .tuple(fc.array(event, { minLength: 1, maxLength: 3 }), waitFor, fc.boolean())
  .map(([events, wait, partial]) =>
    Buffer.concat([
      ...events.map((each) => bytesField(1, each)),
      wholeField(2, BigInt(wait)),
      wholeField(3, partial ? 1 : 0),
    ]),
  );

const small = (n: number) =>
  Buffer.concat([
    ...[bytesField(field.topic, text('crowd')), bytesField(field.eventId, text(String(n)))],
    ...[bytesField(field.timestamp, wholeField(1, 1_700_000_000)), bytesField(field.source, text('s'))],
  ]);
const crowd = fc
  .constantFrom(0, 999, 1000, 1001)
  .map((count) => Buffer.concat(Array.from({ length: count }, (_, n) => bytesField(1, small(n)))));

const emptyEvents = fc
  .nat(40)
  .map((count) => Buffer.concat(Array<Uint8Array>(count).fill(bytesField(1, Buffer.alloc(0)))));

/** Each of its faults is long to tell: names of many bytes, one in another. */
const longNames = fc
  .tuple(fc.constantFrom('k', 'é', '\n'), fc.constantFrom(100, 5_000), fc.nat(19))
  .map(([letter, times, more]) => {
    let inner: Buffer = doubleNan;
    for (let level = 0; level < (times > 1_000 ? 5 : 30); level++) {
      const entry = Buffer.concat([bytesField(1, text(letter.repeat(times))), bytesField(2, inner)]);
      inner = bytesField(5, bytesField(1, entry));
    }
    const struct = inner.subarray(inner.indexOf(0x0a));
    const one = Buffer.concat([small(1), bytesField(field.payload, struct)]);
    return Buffer.concat(Array.from({ length: more + 1 }, () => bytesField(1, one)));
  });
const doubleNan = Buffer.from([0x11, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]);

/** A PublishRequest as it comes over the wire. */
export const requestBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 500, arbitrary: request },
  { weight: 300, arbitrary: mutatedBytes(request) },
  { weight: 20, arbitrary: emptyEvents },
  { weight: 20, arbitrary: longNames },
  { weight: 20, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: crowd },
);

/** One event with a Struct of which is known what it means. */
export const knownStruct: fc.Arbitrary<Encoded> = structInput;
