import { Verdicts } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { writeVerdicts } from './write-verdicts.js';

const anyInt64 = fc.oneof(
  fc.constantFrom(0n, 127n, 128n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, -1n),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const anyVerdict = fc.record({
  ticket: anyInt64,
  outcome: fc.nat(6),
  position: anyInt64,
  firstSeenAtUs: anyInt64,
  reason: fc.oneof(fc.constant(''), fc.string({ maxLength: 3_000, unit: 'grapheme' })),
});

test('what is written is what the generated code writes, byte by byte', () => {
  fc.assert(
    fc.property(fc.array(anyVerdict, { maxLength: 200 }), (verdicts) => {
      const writer = writeVerdicts();
      for (const { ticket, outcome, position, firstSeenAtUs, reason } of verdicts) {
        writer.add(ticket, outcome, position, firstSeenAtUs, reason);
      }
      expect(Buffer.from(writer.finish())).toEqual(Buffer.from(Verdicts.encode({ verdicts }).finish()));
    }),
    { numRuns: 300 },
  );
});
