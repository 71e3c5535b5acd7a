import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readCopy, textsOf } from './read-copy.js';

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

const inPlace = (bytes: Uint8Array) => {
  const copy = readCopy(bytes);
  return { ...copy, ...textsOf(copy) };
};

/** What either gives of these bytes, errors included. */
function outcomeOf(read: (bytes: Uint8Array) => Copy, given: Uint8Array): unknown {
  try {
    const { topic, eventId, source, payload, timestampUs, replyTo, ticket } = read(given);
    const texts = [topic, eventId, source, payload].map((part) => Buffer.from(part).toString('hex'));
    return { texts, timestampUs, replyTo, ticket };
  } catch {
    return 'undecodable';
  }
}

test('a copy is read as the generated code reads it', () => {
  fc.assert(
    fc.property(anyCopy, (copy) => {
      const encoded = Copy.encode(copy).finish();
      expect(outcomeOf(inPlace, encoded)).toEqual(outcomeOf(Copy.decode, encoded));
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
        expect(outcomeOf(inPlace, given)).toEqual(outcomeOf(Copy.decode, given));
      }
    }),
    { numRuns: 3000 },
  );
});

test('whom to answer is read of each message, whoever the one before was from', () => {
  const from = (replyTo: string) =>
    Copy.encode({
      topic: Buffer.from('a'),
      eventId: Buffer.from('1'),
      source: Buffer.from('s'),
      payload: Buffer.from('{}'),
      timestampUs: 1n,
      replyTo,
      ticket: 1n,
    }).finish();
  const gateways = ['gateway.1', 'gateway.1', 'gateway.2', 'gateway.10', '', 'gateway.1', 'gateway.é', 'gateway.1'];
  expect(gateways.map((replyTo) => readCopy(from(replyTo)).replyTo)).toEqual(gateways);
});
