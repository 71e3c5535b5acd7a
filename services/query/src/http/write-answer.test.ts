import { Outcome, type PublishResponse, type PublishResult } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { expect, test } from 'vitest';
import { writeAnswer } from './write-answer.js';

const result = { outcome: Outcome.OUTCOME_STORED, position: 0n, firstSeenAt: undefined, error: undefined };
const counts = { received: 3, accepted: 1, inserted: 1, duplicates: 1, conflicts: 0, rejected: 1 };
const answered = (...results: PublishResult[]): PublishResponse => ({ ...counts, results });

test('an answer to none has an empty list', () => {
  expect(JSON.parse(writeAnswer(answered()))).toEqual({
    ...counts,
    message: 'Received 3 events, accepted 1, rejected 1 duplicates',
    results: [],
  });
});

test('each result has what is known of it and nothing else, in the order of the documents', () => {
  const position = 9_007_199_254_740_993n;
  const firstSeenAt = { seconds: 1_714_564_800n, nanos: 123_456_000 };
  const error = { code: 'DEAD_LETTERED', message: 'it "says"\nso', field: 'payload.a\\b' };
  const text = writeAnswer(
    answered(
      { ...result, topic: 'a', eventId: '1', position },
      { ...result, topic: 'a', eventId: '2', outcome: Outcome.OUTCOME_DUPLICATE, firstSeenAt },
      { ...result, topic: '', eventId: '', outcome: Outcome.OUTCOME_REJECTED, error },
    ),
  );
  const { results } = JSON.parse(text);
  expect(results).toEqual([
    { topic: 'a', event_id: '1', outcome: 'stored', position: '9007199254740993' },
    { topic: 'a', event_id: '2', outcome: 'duplicate', first_seen_at: '2024-05-01T12:00:00.123456Z' },
    {
      topic: '',
      event_id: '',
      outcome: 'rejected',
      error: { code: 'dead_lettered', message: 'it "says"\nso', field: 'payload.a\\b' },
    },
  ]);
  expect(JSON.stringify(JSON.parse(text))).toBe(text);
});

test('names are written so that they come back as they are', () => {
  const names = ['"', '\\', '\u2028', '\u{1f648}', '</script>', '\u007f', '\u0000', '\ud800'];
  for (const name of names) {
    const text = writeAnswer(answered({ ...result, topic: name, eventId: name }));
    expect(JSON.parse(text).results[0]).toMatchObject({ topic: name, event_id: name });
  }
});

test('an outcome that this version does not know is said to be unknown', () => {
  const text = writeAnswer(answered({ ...result, topic: 'a', eventId: '1', outcome: 99 as Outcome }));
  expect(JSON.parse(text).results[0].outcome).toBe('unknown');
});
