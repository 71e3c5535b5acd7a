import { expect, test } from 'vitest';
import { natsServerConfig } from './nats-config.js';
import { atLeast, GOOD_NATS, OLDEST_NATS, PINNED_NATS } from './nats-version.js';

const config = {
  host: '127.0.0.1',
  port: 14_222,
  storeDir: '/data/with "quotes"',
  logFile: '/log',
  maxFileBytes: 1024,
  syncInterval: '10s',
};

test('only servers that know sync_interval are given it', () => {
  expect(natsServerConfig({ ...config, version: PINNED_NATS })).toContain('sync_interval: "10s"');
  expect(natsServerConfig({ ...config, version: GOOD_NATS })).toContain('sync_interval');
  expect(natsServerConfig({ ...config, version: OLDEST_NATS })).not.toContain('sync_interval');
});

test('a path cannot break out of its quotes', () => {
  expect(natsServerConfig({ ...config, version: PINNED_NATS })).toContain('store_dir: "/data/with \\"quotes\\""');
});

test('versions are compared by their numbers', () => {
  expect(atLeast('2.10.0', '2.9.10')).toBe(true);
  expect(atLeast('2.9.10', '2.10.0')).toBe(false);
  expect(atLeast('2.9.10', '2.9.10')).toBe(true);
  expect(atLeast('3.0.0', '2.99.99')).toBe(true);
});
