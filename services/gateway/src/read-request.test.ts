import { DoorRequest } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readRequest } from './read-request.js';

const bytes = fc.uint8Array({ maxLength: 200 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const timestamp = fc.record({
  seconds: fc.oneof(fc.bigInt({ min: 0n, max: 4_000_000_000n }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  nanos: fc.oneof(fc.nat(999_999_999), fc.integer()),
});
const anyEvent = fc.record({
  topic: bytes,
  eventId: bytes,
  timestamp: maybe(timestamp),
  source: bytes,
  payload: maybe(bytes),
  payloadJson: maybe(bytes),
});
const anyRequest: fc.Arbitrary<DoorRequest> = fc.record({
  events: fc.array(anyEvent, { maxLength: 6 }),
  waitFor: fc.oneof(fc.nat(3), fc.integer()),
  allowPartial: fc.boolean(),
});

const hex = (part: Uint8Array | undefined) => part && Buffer.from(part).toString('hex');

/** What either gives of these bytes, errors included. */
function outcomeOf(read: (bytes: Uint8Array) => DoorRequest, given: Uint8Array): unknown {
  try {
    const { events, ...rest } = read(given);
    return {
      ...rest,
      events: events.map((event) => ({
        timestamp: event.timestamp,
        texts: [event.topic, event.eventId, event.source, event.payload, event.payloadJson].map(hex),
      })),
    };
  } catch {
    return 'undecodable';
  }
}

test('a request is read as the generated code reads it', () => {
  fc.assert(
    fc.property(anyRequest, (request) => {
      const encoded = DoorRequest.encode(request).finish();
      expect(outcomeOf(readRequest, encoded)).toEqual(outcomeOf(DoorRequest.decode, encoded));
    }),
    { numRuns: 2000 },
  );
});

test('so are requests that were damaged, cut off or added to, and bytes that never were one', () => {
  const damage = fc.record({ at: fc.nat(400), with: fc.uint8Array({ maxLength: 12 }), drop: fc.nat(12) });
  fc.assert(
    fc.property(anyRequest, damage, fc.uint8Array({ maxLength: 60 }), (request, { at, with: other, drop }, noise) => {
      const encoded = DoorRequest.encode(request).finish();
      const damaged = Buffer.concat([encoded.subarray(0, at), other, encoded.subarray(at + drop)]);
      for (const given of [damaged, encoded.subarray(0, at), noise]) {
        expect(outcomeOf(readRequest, given)).toEqual(outcomeOf(DoorRequest.decode, given));
      }
    }),
    { numRuns: 5000 },
  );
});
