import { settingsOf } from '@eventsieve/runtime/settings';
import { expect, test } from 'vitest';
import { readRetention } from './retention.js';

const read = (environment: Record<string, string>) => readRetention(settingsOf(environment));
const dayMs = 86_400_000;

test('everything is kept for ever unless somebody says otherwise, and 0 says the same', () => {
  const forEver = {
    eventsMs: undefined,
    keysMs: undefined,
    refusedMs: undefined,
    deadLettersMs: undefined,
    seriesMs: undefined,
    lookEveryMs: 60_000,
  };
  expect(read({})).toEqual(forEver);
  expect(read({ RETENTION: '0', KEY_RETENTION: '0', REFUSED_RETENTION: '0d' })).toEqual(forEver);
});

test('each has a setting of its own, of more than a year too', () => {
  const given = {
    RETENTION: '400d',
    KEY_RETENTION: '1000d',
    REFUSED_RETENTION: '24h',
    DEAD_LETTER_RETENTION: '36h',
    SERIES_RETENTION: '2d',
    RETENTION_INTERVAL: '5m',
  };
  expect(read(given)).toEqual({
    eventsMs: 400 * dayMs,
    keysMs: 1000 * dayMs,
    refusedMs: dayMs,
    deadLettersMs: 1.5 * dayMs,
    seriesMs: 2 * dayMs,
    lookEveryMs: 300_000,
  });
});

test.each([
  [{ RETENTION: '5m' }, /^RETENTION must be 0, which means for ever, or at least 1h/],
  [{ RETENTION: '1h', KEY_RETENTION: '23h' }, /^KEY_RETENTION must be 0, which means for ever, or at least 24h/],
  [{ REFUSED_RETENTION: '1h' }, /^REFUSED_RETENTION must be 0/],
  [{ DEAD_LETTER_RETENTION: '1m' }, /^DEAD_LETTER_RETENTION must be 0/],
  [{ SERIES_RETENTION: '1h' }, /^SERIES_RETENTION must be 0/],
  [{ RETENTION: 'soon' }, /^RETENTION is "soon"/],
  [{ KEY_RETENTION: '7d' }, /^KEY_RETENTION needs RETENTION/],
  [{ KEY_RETENTION: '7d', RETENTION: '8d' }, /^KEY_RETENTION needs RETENTION, and that must not be longer/],
])('what makes no sense stops the start by name: %j', (environment, message) => {
  expect(() => read(environment as Record<string, string>)).toThrow(message);
});
