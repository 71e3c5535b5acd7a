import { expect, test } from 'vitest';
import { matchesTopic, topicFilterOf } from './topic-filter.js';

const matches = (pattern: string, topic: string) => matchesTopic(topicFilterOf(pattern), topic);

test.each(['a', 'a.b', 'a*', '*a.b', 'a.b*', 'a>', 'a.>b', '>.a', 'a.>.b', '**', '.', 'a..b'])(
  '%s is a topic, not a pattern',
  (text) => {
    expect(topicFilterOf(text)).toEqual({ kind: 'exact', topic: text });
    expect(matches(text, text)).toBe(true);
    expect(matches(text, `${text}.x`)).toBe(false);
  },
);

test.each([
  ['*', 'a', true],
  ['*', '', true],
  ['*', 'a.b', false],
  ['a.*', 'a.b', true],
  ['a.*', 'a.', true],
  ['a.*', 'a', false],
  ['a.*', 'a.b.c', false],
  ['*.b', 'a.b', true],
  ['*.b', 'a.c', false],
  ['a.*.c', 'a.b.c', true],
  ['a.*.c', 'a..c', true],
  ['a.*.c', 'a.c', false],
  ['>', 'a', true],
  ['>', 'a.b.c', true],
  ['a.>', 'a.b', true],
  ['a.>', 'a.b.c', true],
  ['a.>', 'a.', true],
  ['a.>', 'a', false],
  ['a.>', 'ab.c', false],
  ['*.>', 'a.b', true],
  ['*.>', 'a', false],
  ['a.*.>', 'a.b.c.d', true],
  ['a.*.>', 'a.b', false],
])('the pattern %s on the topic "%s": %s', (pattern, topic, expected) => {
  expect(topicFilterOf(pattern).kind).toBe('pattern');
  expect(matches(pattern, topic)).toBe(expected);
});
