import * as fc from 'fast-check';
import { type Content, payloads } from './model-broker.js';
import { endings } from './model-schedule.js';

// What is generated names messages, letters and moments by number only, so that any part of it can be left out while a
// failure is made smaller.

const choice = fc.nat(1000);
const topic = fc.constantFrom('orders', 'parts');
const eventId = fc.constantFrom('a', 'b', 'c', 'd');
const source = fc.constantFrom('shop', 'shop', 'shop', 'mill');

const copy: fc.Arbitrary<Content> = fc.record({
  kind: fc.constant('copy' as const),
  topic,
  eventId,
  source,
  payload: fc.constantFrom(payloads[0], payloads[0], ...payloads),
  timestampUs: fc.constantFrom(1_700_000_000_000_000n, 1_700_000_000_000_001n),
});
const group = fc.record({ topic, source, eventIds: fc.array(eventId, { minLength: 1, maxLength: 3 }) });
const tally: fc.Arbitrary<Content> = fc.record({
  kind: fc.constant('tally' as const),
  groups: fc.array(group, { minLength: 1, maxLength: 2 }),
});

const gapUs = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 45_000_000 }));

const publication = fc.oneof(
  { weight: 12, arbitrary: fc.record({ what: fc.constant('copy' as const), gapUs, content: copy }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('copy' as const), gapUs, content: tally }) },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('poison' as const),
      gapUs,
      content: fc.oneof(copy, copy, tally, fc.constant<Content>({ kind: 'undecodable' })),
    }),
  },
  // Often more than one message for one dead letter.
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('redrive' as const),
      gapUs,
      letter: choice,
      times: fc.constantFrom(1, 1, 2),
      mended: fc.constantFrom(true, true, false),
    }),
  },
);

const ending = fc.oneof(
  { weight: 4, arbitrary: fc.constant(endings[0]) },
  { weight: 4, arbitrary: fc.constant(endings[1]) },
  { weight: 2, arbitrary: fc.constantFrom(...endings.slice(2)) },
);
const shard = fc.nat(2);
const acked = fc.constantFrom(true, true, true, false);
/** Among the messages without a row, or among all of the stream. */
const pick = fc.record({ news: fc.boolean(), at: choice });

const call = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      what: fc.constant('settle' as const),
      picks: fc.array(pick, { minLength: 1, maxLength: 6 }),
      backwards: fc.boolean(),
      everything: fc.constantFrom(false, false, true),
      acked,
      shard,
      ending,
    }),
  },
  // A worker that takes for poison what another one has settled.
  { weight: 3, arbitrary: fc.record({ what: fc.constant('bury' as const), at: choice, acked, shard, ending }) },
  {
    weight: 5,
    arbitrary: fc.record({
      what: fc.constant('redrive' as const),
      at: choice,
      // With another message for the same dead letter, or by two workers at once.
      beside: fc.constantFrom('nothing', 'another', 'itself'),
      acked,
      shard,
      ending,
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('discard' as const), at: choice, ending }) },
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('advance' as const),
      // The two are read one after the other, and another worker may be ahead.
      behind: fc.constantFrom(0, 0, 0, 1, 3),
      knownBehind: fc.constantFrom(0, 0, 0, 1, 3),
      late: choice,
      ending,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('open' as const),
      stream: fc.constantFrom('older', 'older', 'older', 'new'),
      at: choice,
      ending,
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('late' as const), at: choice, shard, ending }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('stranger' as const), at: choice, as: choice, shard, ending }),
  },
);

export const step = fc.record({
  publications: fc.array(publication, { maxLength: 6 }),
  calls: fc.array(call, { minLength: 1, maxLength: 4 }),
  allAtOnce: fc.constantFrom(false, false, true),
  lastFirst: fc.boolean(),
});

export const story = fc.record({
  firstSequence: fc.integer({ min: 1, max: 3 }),
  steps: fc.array(step, { minLength: 2, maxLength: 14, size: 'max' }),
});

export type Publication = typeof publication extends fc.Arbitrary<infer T> ? T : never;
export type CallPlan = typeof call extends fc.Arbitrary<infer T> ? T : never;
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
export type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;
