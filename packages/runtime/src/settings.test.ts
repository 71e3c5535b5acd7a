import { expect, test } from 'vitest';
import { readBrokerNames } from './broker-names.js';
import { readLogConfig } from './logger.js';
import { settingsOf } from './settings.js';

const of = (value: string) => settingsOf({ NAME: value });

test.each([
  ['500ms', 500],
  ['10s', 10_000],
  ['2m', 120_000],
  ['1.5h', 5_400_000],
  ['7d', 604_800_000],
  ['30', 30_000],
  ['4.1m', 246_000],
  ['1.1h', 3_960_000],
  ['1.0005s', 1_001],
  ['24d', 2_073_600_000],
])('the duration %s is %d ms', (text, ms) => {
  expect(of(text).durationMs('NAME', 1)).toBe(ms);
});

test.each([
  ['65536', 65_536],
  ['512KB', 524_288],
  ['8mb', 8_388_608],
  ['4G', 4_294_967_296],
])('the size %s is %d bytes', (text, bytes) => {
  expect(of(text).bytes('NAME', 1)).toBe(bytes);
});

test('an absent or empty variable gives the default', () => {
  expect(settingsOf({}).integer('NAME', 7)).toBe(7);
  expect(of('  ').durationMs('NAME', 5)).toBe(5);
});

test.each<[string, (value: string) => unknown, string]>([
  ['a negative number', (value) => of(value).integer('NAME', 1), '-1'],
  ['a number with a tail', (value) => of(value).integer('NAME', 1), '10x'],
  ['a number out of range', (value) => of(value).integer('NAME', 1, { max: 9 }), '10'],
  ['a port too high', (value) => of(value).port('NAME', 1), '65536'],
  ['a duration without sense', (value) => of(value).durationMs('NAME', 1), 'soon'],
  ['a duration longer than any timer', (value) => of(value).durationMs('NAME', 1), '25d'],
  ['a duration of nothing', (value) => of(value).durationMs('NAME', 1), '0.0001s'],
  ['a size without sense', (value) => of(value).bytes('NAME', 1), '8 apples'],
  ['a choice that is none', (value) => of(value).choice('NAME', ['a', 'b'], 'a'), 'c'],
  ['an address without a port', (value) => of(value).address('NAME', 'x:1'), 'localhost'],
])('%s is refused by the name of the variable', (_, read, value) => {
  expect(() => read(value)).toThrow(new RegExp(`^NAME is "${value}", but must be `));
});

test('a wrong URL is refused without repeating it, since it may hold a password', () => {
  const url = 'http://user:secret@host';
  expect(() => of(url).url('NAME', '', ['postgres'])).toThrow(/^NAME is not a URL that starts with postgres:/);
  expect(() => of(url).url('NAME', '', ['postgres'])).not.toThrow(/secret/);
});

test('an address may come with a scheme and a slash', () => {
  expect(of('http://gateway:50051/').address('NAME', 'x:1')).toBe('gateway:50051');
});

test('log levels are taken in any case, and by the names that Python uses', () => {
  const level = (value: string) => readLogConfig(settingsOf({ LOG_LEVEL: value })).level;
  expect(['INFO', 'Warning', 'CRITICAL', 'debug'].map(level)).toEqual(['info', 'warn', 'fatal', 'debug']);
});

test('a prefix that no subject can hold is refused', () => {
  expect(() => readBrokerNames(settingsOf({ NATS_PREFIX: 'a.b' }))).toThrow(/^NATS_PREFIX/);
});
