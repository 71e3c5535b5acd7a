import { Outcome, PublishResponse, type PublishResult } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Answer, writeResponse } from './write-response.js';

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 3 });
const name = fc.oneof(fc.string({ maxLength: 255, unit: 'grapheme' }), fc.constant('\u{1f600}'.repeat(255)));
const anyResult: fc.Arbitrary<PublishResult> = fc.record({
  topic: name,
  eventId: name,
  outcome: fc.constantFrom(...[0, 1, 2, 3, 4, 5, 6].map((value): Outcome => value)),
  position: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 2n ** 53n - 1n })),
  firstSeenAt: maybe(fc.record({ seconds: fc.bigInt({ min: 0n, max: 4_000_000_000n }), nanos: fc.nat(999_999_999) })),
  error: maybe(fc.record({ code: fc.string(), message: fc.string({ maxLength: 2000 }), field: fc.string() })),
});
const count = fc.nat(100_000);
const anyResponse: fc.Arbitrary<PublishResponse> = fc.record({
  received: count,
  accepted: count,
  inserted: count,
  duplicates: count,
  conflicts: count,
  rejected: count,
  results: fc.array(anyResult, { maxLength: 30 }),
});

test('an answer is read back as it was', () => {
  fc.assert(
    fc.property(anyResponse, (response) => {
      expect(PublishResponse.decode(writeResponse(inBytes(response)))).toEqual(
        PublishResponse.decode(encoded(response)),
      );
    }),
    { numRuns: 1000 },
  );
});

/** Names as the gateway has them. */
function inBytes(response: PublishResponse): Answer {
  const results = response.results.map((result) => ({
    ...result,
    topic: Buffer.from(result.topic),
    eventId: Buffer.from(result.eventId),
  }));
  return { ...response, results };
}

const encoded = (response: PublishResponse) => PublishResponse.encode(response).finish();

test('answers about many events that all have a reason are read back, too', () => {
  const result = { topic: 't', eventId: 'e', outcome: Outcome.OUTCOME_REJECTED, position: 0n, firstSeenAt: undefined };
  const error = { code: 'INVALID_ARGUMENT', message: 'm'.repeat(500), field: 'payload' };
  const results = Array.from({ length: 1000 }, () => ({ ...result, error }));
  const counts = { received: 1000, accepted: 0, inserted: 0, duplicates: 0, conflicts: 0, rejected: 1000 };
  const response = { ...counts, results };
  expect(PublishResponse.decode(writeResponse(inBytes(response)))).toEqual(response);
});
