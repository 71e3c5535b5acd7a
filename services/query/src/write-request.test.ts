import type { Event } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { PublishRequest, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { writeRequest } from './write-request.js';

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 20 });
const name = fc.oneof(
  fc.string({ maxLength: 255, unit: 'grapheme' }),
  fc.constantFrom('', '\u{1f648}'.repeat(255), '\u20ac'),
);
const anyEvent: fc.Arbitrary<Event> = fc.record({
  topic: name,
  eventId: name,
  source: name,
  timestamp: maybe(
    fc.record({ seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }), nanos: fc.nat(999_999_999) }),
  ),
  payload: fc.constant(undefined),
  payloadJson: maybe(fc.oneof(fc.json(), fc.constantFrom('', '{}'), fc.string({ unit: 'binary', maxLength: 9_000 }))),
});
const anyRequest: fc.Arbitrary<PublishRequest> = fc.record({
  events: fc.array(anyEvent, { maxLength: 20 }),
  waitFor: fc.constantFrom(WaitFor.WAIT_FOR_UNSPECIFIED, WaitFor.WAIT_FOR_BROKER, WaitFor.WAIT_FOR_STORED),
  allowPartial: fc.boolean(),
});

const readBack = (request: PublishRequest) => PublishRequest.decode(writeRequest(request));
const usual: Event = {
  topic: 'orders',
  eventId: '1',
  source: 'shop',
  timestamp: { seconds: 1_714_564_800n, nanos: 123_456_000 },
  payloadJson: '{"a":1}',
};

test('a request is read as what the generated code writes of it', () => {
  fc.assert(
    fc.property(anyRequest, (request) => {
      expect(readBack(request)).toEqual(PublishRequest.decode(PublishRequest.encode(request).finish()));
    }),
    { numRuns: 1000 },
  );
});

test('lengths around each byte of a length are right, in characters of one to four bytes', () => {
  for (const character of ['a', '\u00e9', '\u20ac', '\u{1f648}']) {
    for (const length of [1, 31, 32, 42, 43, 63, 64, 126, 127, 128, 4095, 5461, 8192, 16_383, 16_384, 700_000]) {
      const event = { ...usual, payloadJson: character.repeat(length) };
      const [read] = readBack({ events: [usual, event], waitFor: 2, allowPartial: true }).events.slice(1);
      expect(read?.payloadJson === event.payloadJson).toBe(true);
    }
  }
});

test('what is seldom is left to the generated code', () => {
  for (const event of [
    { ...usual, payload: { a: 1 }, payloadJson: undefined },
    { ...usual, payloadJson: undefined },
    { ...usual, timestamp: undefined },
  ]) {
    const request = { events: [usual, event], waitFor: WaitFor.WAIT_FOR_STORED, allowPartial: false };
    expect(writeRequest(request)).toEqual(Buffer.from(PublishRequest.encode(request).finish()));
  }
});
