import { expect, test } from 'vitest';
import { natsEnvironment } from './nats-environment.js';

test('the broker gets half of the cores, and never none', () => {
  const threadsOn = (cores: number) => natsEnvironment({}, cores).GOMAXPROCS;
  expect([1, 2, 3, 8].map(threadsOn)).toEqual(['1', '1', '1', '4']);
});

test('the broker may take a quarter of the memory, within bounds', () => {
  const limitOf = (gibibytes: number) => natsEnvironment({}, 2, gibibytes * 2 ** 30).GOMEMLIMIT;
  expect([1, 6, 12, 24, 256].map(limitOf)).toEqual(['512MiB', '1536MiB', '3072MiB', '6144MiB', '6144MiB']);
});

test('the watcher of threads is to log every few weeks at most, in milliseconds that Go can hold', () => {
  const [name, ms] = natsEnvironment({}).GODEBUG?.split('=') ?? [];
  expect(name).toBe('schedtrace');
  expect(Number(ms) | 0).toBe(Number(ms));
  expect(Number(ms)).toBeGreaterThan(14 * 24 * 3_600_000);
});

test('what is set outside goes before, and everything else is passed on', () => {
  const given = { GOMAXPROCS: '7', GOGC: '100', GOMEMLIMIT: '2GiB', GODEBUG: 'madvdontneed=1', TZ: 'UTC' };
  expect(natsEnvironment(given, 2)).toEqual(given);
});
