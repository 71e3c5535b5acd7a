import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readCopy } from './read-copy.js';

const bytes = fc.uint8Array({ maxLength: 300 });
const anyCopy: fc.Arbitrary<Copy> = fc.record({
  topic: bytes,
  eventId: bytes,
  source: bytes,
  payload: bytes,
  timestampUs: fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n }),
  replyTo: fc.oneof(fc.constant(''), fc.string({ maxLength: 60, unit: 'grapheme' })),
  ticket: fc.bigInt({ min: 0n, max: 2n ** 62n }),
});

/** What either gives of these bytes, errors included. */
function outcomeOf(read: (bytes: Uint8Array) => Copy, given: Uint8Array): unknown {
  try {
    const { topic, eventId, source, payload, ...rest } = read(given);
    return { ...rest, texts: [topic, eventId, source, payload].map((part) => Buffer.from(part).toString('hex')) };
  } catch {
    return 'undecodable';
  }
}

test('a copy is read as the generated code reads it', () => {
  fc.assert(
    fc.property(anyCopy, (copy) => {
      const encoded = Copy.encode(copy).finish();
      expect(outcomeOf(readCopy, encoded)).toEqual(outcomeOf(Copy.decode, encoded));
    }),
    { numRuns: 2000 },
  );
});

test('so are copies that were damaged, cut off or added to, and bytes that never were one', () => {
  const damage = fc.record({ at: fc.nat(400), with: fc.uint8Array({ maxLength: 12 }), drop: fc.nat(12) });
  fc.assert(
    fc.property(anyCopy, damage, fc.uint8Array({ maxLength: 60 }), (copy, { at, with: other, drop }, noise) => {
      const encoded = Copy.encode(copy).finish();
      const damaged = Buffer.concat([encoded.subarray(0, at), other, encoded.subarray(at + drop)]);
      for (const given of [damaged, encoded.subarray(0, at), noise]) {
        expect(outcomeOf(readCopy, given)).toEqual(outcomeOf(Copy.decode, given));
      }
    }),
    { numRuns: 3000 },
  );
});
