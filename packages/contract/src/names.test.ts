import { expect, test } from 'vitest';
import { encodeTopic, namesFor } from './names.js';

const encode = (topic: string) => encodeTopic(Buffer.from(topic));

test.each([
  ['orders', 'orders'],
  ['orders.eu.v2', 'orders.eu.v2'],
  ['.orders', '=2eorders'],
  ['orders.', 'orders=2e'],
  ['a..b', 'a.=2eb'],
  ['a b', 'a=20b'],
  ['*', '=2a'],
  ['a.>', 'a.=3e'],
  ['a=2eb', 'a=3d2eb'],
  ['é', '=c3=a9'],
  ['$JS.API', '=24JS.API'],
])('topic %j becomes %j', (topic, encoded) => {
  expect(encode(topic)).toBe(encoded);
});

test('every topic gives a subject that NATS takes, and different topics give different ones', () => {
  const pieces = ['a', '.', '..', ' ', '*', '>', '=', '=2e', 'é', '\u{1f600}', '-', '_', '\t'];
  const topics = new Set(pieces.flatMap((a) => pieces.flatMap((b) => pieces.flatMap((c) => [a, a + b, a + b + c]))));
  const seen = new Map<string, string>();
  for (const topic of topics) {
    const encoded = encode(topic);
    expect(encoded).toMatch(/^[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+)*$/);
    expect(seen.get(encoded) ?? topic).toBe(topic);
    seen.set(encoded, topic);
  }
});

test('the longest topics still fit a protocol line', () => {
  const long = '\u{1f600}'.repeat(255);
  expect(encode(long).length).toBeLessThan(100);
  expect(encode(long)).not.toBe(encode(`${long.slice(2)}\u{1f601}`));
});

test('a prefix sets stream and subjects apart', () => {
  expect(namesFor()).toMatchObject({ stream: 'EVENTSIEVE', streamSubjects: ['es.events.>', 'es.tally', 'es.redrive'] });
  expect(namesFor('x')).toMatchObject({
    stream: 'EVENTSIEVE_x',
    streamSubjects: ['x.events.>', 'x.tally', 'x.redrive'],
  });
});
