import { expect, test } from 'vitest';
import { UsageError } from './command.js';
import type { Flag, Positional } from './flag.js';
import { durationMs, parseDurationMs, readFlags } from './flags.js';

const flags: readonly Flag[] = [
  { name: 'topic', variable: 'TOPIC', meaning: '' },
  { name: 'order', choices: ['asc', 'desc'], meaning: '' },
  { name: 'tls', kind: 'boolean', variable: 'TLS', meaning: '' },
  { name: 'header', kind: 'repeated', meaning: '' },
];
const words: readonly Positional[] = [
  { name: 'first', meaning: '' },
  { name: 'rest', many: true, optional: true, meaning: '' },
];

test('flags go before variables, and the last of a flag before its others', () => {
  const read = (args: string[], environment = {}) => readFlags(args, flags, environment).given('topic');
  expect(read(['--topic', 'a'], { TOPIC: 'b' })).toEqual({ name: '--topic', value: 'a' });
  expect(read(['--topic=a', '--topic', 'c'])).toEqual({ name: '--topic', value: 'c' });
  expect(read([], { TOPIC: ' b ' })).toEqual({ name: 'TOPIC', value: 'b' });
  expect(read([], { TOPIC: '' })).toBeUndefined();
});

test('a text keeps its blanks, and an empty one is refused rather than taken for none', () => {
  expect(readFlags(['--topic', ' a '], flags, {}).text('topic')).toBe(' a ');
  expect(() => readFlags(['--topic', ''], flags, { TOPIC: 'b' }).text('topic')).toThrow(
    new UsageError('--topic is empty.'),
  );
});

test('a boolean is on by its flag, or by a variable that says so', () => {
  const isOn = (args: string[], TLS = '') => readFlags(args, flags, { TLS }).isOn('tls');
  expect([isOn([]), isOn(['--tls']), isOn([], '1'), isOn([], 'TRUE'), isOn([], 'off')]).toEqual([
    false,
    true,
    true,
    true,
    false,
  ]);
  expect(() => isOn([], 'perhaps')).toThrow(new UsageError('TLS is "perhaps", but must be true or false.'));
});

test('a repeated flag gives all its values, and words are given by their names', () => {
  const read = readFlags(['--header', 'a: 1', 'one', '--header=b: 2', 'two', '--', '--three'], flags, {}, words);
  expect(read.all('header').map(({ value }) => value)).toEqual(['a: 1', 'b: 2']);
  expect(read.positional('first')).toBe('one');
  expect(read.positionals('rest')).toEqual(['two', '--three']);
});

test.each([
  [['--topci', 'a'], '--topci is not a flag here, did you mean --topic? --help lists the flags.'],
  [['--zzzz'], '--zzzz is not a flag here; --help lists the flags.'],
  [['-t'], '-t is not a flag here; --help lists the flags.'],
  [['--topic'], '--topic needs a value.'],
  [['--topic', '--tls'], '--topic needs a value.'],
  [['--tls=no'], '--tls takes no value.'],
  [['a', 'b', ''], '<rest> is empty.'],
  [[], '<first> is missing; --help says more.'],
])('%j is refused in one sentence', (args, sentence) => {
  expect(() => readFlags(args, flags, {}, words)).toThrow(new UsageError(sentence));
});

test('a word too many and a choice that there is not are refused', () => {
  expect(() => readFlags(['a'], flags, {})).toThrow(new UsageError('"a" is one word too many; --help says more.'));
  expect(() => readFlags(['--order', 'up'], flags, {}).choice('order')).toThrow(
    new UsageError('--order is "up", but must be asc or desc.'),
  );
});

test('what is read must be declared, so that the help has it', () => {
  const read = readFlags([], flags, {});
  const readings = [read.given, read.text, read.isOn, read.all, read.choice.bind(read)];
  for (const reading of readings) expect(() => reading('secret')).toThrow('--secret is read, but not declared.');
});

test('times have a unit', () => {
  expect(['500ms', '1.5s', '2m', '1h', '7d', '5', 's', '-1s', '1w'].map(parseDurationMs)).toEqual([
    500,
    1_500,
    120_000,
    3_600_000,
    604_800_000,
    ...Array(4).fill(undefined),
  ]);
  expect(durationMs(undefined, 7, 1, 10)).toBe(7);
  expect(() => durationMs({ name: '--timeout', value: '2s' }, 7, 1, 10)).toThrow(UsageError);
});
