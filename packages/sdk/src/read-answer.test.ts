import { Outcome, PublishResponse, type PublishResult } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { expect, test } from 'vitest';
import { readAnswer } from './read-answer.js';

const result = (change: Partial<PublishResult> = {}): PublishResult => ({
  topic: 'orders',
  eventId: 'a-1',
  outcome: Outcome.OUTCOME_STORED,
  position: 7n,
  firstSeenAt: undefined,
  error: undefined,
  ...change,
});

function bytesOf(results: readonly PublishResult[], sums = {}): Buffer {
  const counts = { received: 300, accepted: 1, inserted: 0, duplicates: 2, conflicts: 128, rejected: 70_000, ...sums };
  return Buffer.from(PublishResponse.encode({ ...counts, results: [...results] }).finish());
}

/** What the generated code reads, without the names. */
function expected(bytes: Buffer) {
  const { results, ...sums } = PublishResponse.decode(bytes);
  return { ...sums, results: results.map(({ topic: _, eventId: __, ...verdict }) => verdict) };
}

test.each<[string, Buffer]>([
  ['no result', bytesOf([])],
  [
    'results of every length',
    bytesOf([0, 1, 127, 128, 255, 1020].map((n) => result({ topic: 'é'.repeat(n), eventId: 'x'.repeat(n) }))),
  ],
  ['no position, no outcome', bytesOf([result({ position: 0n, outcome: 0 }), result({ topic: '', eventId: '' })])],
  ['great positions', bytesOf([2n ** 31n, 2n ** 32n, 2n ** 53n - 1n].map((position) => result({ position })))],
  [
    'times and errors among others',
    bytesOf([
      result(),
      result({ outcome: Outcome.OUTCOME_DUPLICATE, firstSeenAt: { seconds: 1_714_564_800n, nanos: 1000 } }),
      result({ outcome: Outcome.OUTCOME_REJECTED, position: 0n, error: { code: 'C', message: 'm', field: 'topic' } }),
      result(),
    ]),
  ],
  ['an outcome of a later version', bytesOf([result({ outcome: 99 as Outcome })])],
])('%s: the same as the generated code reads', (_, bytes) => {
  const { results, ...sums } = readAnswer(bytes);
  const verdicts = results.map(({ outcome, position, firstSeenAt, error }) => ({
    outcome,
    position,
    firstSeenAt,
    error,
  }));
  expect({ ...sums, results: verdicts }).toEqual(expected(bytes));
});

test('what is not known here is left to the generated code', () => {
  const unknownOfAnswer = Buffer.concat([Buffer.from([0x5a, 2, 1, 2]), bytesOf([result()])]);
  expect(readAnswer(unknownOfAnswer)).toMatchObject(expected(unknownOfAnswer));
  const huge = bytesOf([result({ position: 2n ** 60n }), result()]);
  expect(readAnswer(huge)).toMatchObject(expected(huge));
  const negative = bytesOf([result({ position: -1n })], { received: -1 });
  expect(readAnswer(negative)).toMatchObject(expected(negative));
});

test('bytes that are cut off are an error, wherever', () => {
  const whole = bytesOf([result(), result()], { rejected: 0, conflicts: 0 });
  // The sums come first: only behind the last of them, and between results, an answer may end.
  const ends = new Set([whole.length]);
  for (let end = whole.length - 1; end > whole.length - 30; end--) {
    let readable = true;
    try {
      PublishResponse.decode(whole.subarray(0, end));
    } catch {
      readable = false;
    }
    if (readable) ends.add(end);
    else expect(() => readAnswer(whole.subarray(0, end))).toThrow();
  }
  expect(ends.size).toBeLessThan(5);
});
