import type { FieldError } from '@eventsieve/contract/errors';
import { expect, test } from 'vitest';
import type { FilterFields } from './event-filter.js';
import { readFilter } from './read-filter.js';

const none: FilterFields = { topic: '', topicExact: '', source: '', eventId: '', payload: '' };

function read(fields: Partial<FilterFields>) {
  const faults: FieldError[] = [];
  return { filter: readFilter({ ...none, ...fields }, faults), faults };
}

const at = (seconds: number, nanos = 0) => ({ seconds: BigInt(seconds), nanos });
const manyNines = `{"a":[${'1e131071,'.repeat(3)}1]}`;

test('nothing given filters nothing', () => {
  const { filter, faults } = read({});
  expect(faults).toEqual([]);
  expect(Object.values(filter).every((value) => value === undefined)).toBe(true);
});

test('a topic in topic_exact is never a pattern', () => {
  expect(read({ topic: 'a.*' }).filter.topics?.kind).toBe('pattern');
  expect(read({ topicExact: 'a.*' }).filter.topics).toEqual({ kind: 'exact', topic: 'a.*' });
});

test('a bound between two microseconds is the later one', () => {
  const { filter } = read({
    from: at(1, 1),
    to: at(2, 1000),
    receivedFrom: at(3, 1001),
    receivedTo: at(4, 999_999_999),
  });
  expect(filter).toMatchObject({
    happenedFromUs: 1_000_001n,
    happenedToUs: 2_000_001n,
    receivedFromUs: 3_000_002n,
    receivedToUs: 5_000_000n,
  });
});

test.each<[string, string, Partial<FilterFields>]>([
  ['topic', 'NUL', { topic: 'a\0' }],
  ['topic', '255 characters', { topic: 'a'.repeat(256) }],
  ['topic_exact', 'NUL', { topicExact: 'a\0' }],
  ['topic_exact', 'beside topic', { topic: 'a', topicExact: 'a' }],
  ['source', '255 characters', { source: '😀'.repeat(256) }],
  ['event_id', 'NUL', { eventId: '\0' }],
  ['received_from', 'year 1 to 9999', { receivedFrom: at(-62_135_596_801) }],
  ['received_to', 'year 1 to 9999', { receivedTo: at(253_402_300_800) }],
  ['from', 'year 1 to 9999', { from: at(0, -1) }],
  ['to', 'year 1 to 9999', { to: at(0, 1_000_000_000) }],
  ['received_to', 'must not be before received_from', { receivedFrom: at(2), receivedTo: at(1) }],
  ['to', 'must not be before from', { from: at(2, 1000), to: at(2) }],
  ['payload', 'must be a JSON object', { payload: '[]' }],
  ['payload', 'must be a JSON object', { payload: 'null' }],
  ['payload', 'the text ends', { payload: '{"a":1' }],
  ['payload', 'at a.b: contains a NUL', { payload: '{"a":{"b":"\\u0000"}}' }],
  ['payload', 'lone surrogate', { payload: '{"a":"\\ud800"}' }],
  ['payload', 'a number that cannot be stored', { payload: '{"a":1e200000}' }],
  ['payload', 'written out', { payload: manyNines }],
  ['payload', 'duplicate key', { payload: '{"a":1,"a":2}' }],
  ['payload', 'at most 16384 bytes', { payload: `{"a":"${'x'.repeat(16_384)}"}` }],
  ['payload', 'nested deeper', { payload: `{"a":${'['.repeat(64)}${']'.repeat(64)}}` }],
])('a wrong %s is named: %s', (field, message, fields) => {
  expect(read(fields).faults).toEqual([{ field, message: expect.stringContaining(message) }]);
});

test('an empty time is no fault, and neither is a whole payload', () => {
  expect(read({ from: at(1), to: at(1), payload: '{"a": {"b": [1, 2.50]}}' }).faults).toEqual([]);
});
