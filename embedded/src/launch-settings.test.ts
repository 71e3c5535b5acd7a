import { expect, test } from 'vitest';
import { readLaunchSettings } from './launch-settings.js';
import { serviceEnvironments } from './service-environment.js';

const ports = { http: 1, gatewayGrpc: 2, queryGrpc: 3 };

test('nothing set means the defaults of the contract', () => {
  expect(readLaunchSettings({ DATA_DIR: '/d' })).toMatchObject({
    dataDir: '/d',
    databaseUrl: undefined,
    natsUrl: undefined,
    bindHost: '127.0.0.1',
    httpPort: 8080,
    gatewayGrpcPort: 50_051,
    queryGrpcPort: 50_052,
    gatewayMetricsPort: 0,
    workerMetricsPort: 0,
    postgresPort: 15_432,
    natsPort: 14_222,
    workers: 1,
  });
});

test('Postgres has room for what all parts together may open', () => {
  const connectionsOf = (environment: Record<string, string>) => readLaunchSettings(environment).connections;
  expect(connectionsOf({})).toBeLessThan(100);
  expect(connectionsOf({ WORKERS: '64' })).toBeGreaterThanOrEqual(64 * (2 + 6) + 10);
  expect(connectionsOf({ WORKERS: '2', BATCHES_IN_FLIGHT: '16', QUERY_POOL_SIZE: '100' })).toBeGreaterThanOrEqual(144);
});

test('PORT counts where HTTP_PORT is not set', () => {
  expect(readLaunchSettings({ PORT: '9000' }).httpPort).toBe(9000);
  expect(readLaunchSettings({ PORT: '9000', HTTP_PORT: '9001' }).httpPort).toBe(9001);
});

test.each([
  ['HTTP_PORT', 'x'],
  ['WORKERS', '0'],
  ['NATS_URL', 'http://x'],
  ['DATABASE_URL', 'x'],
  ['LOG_FORMAT', 'xml'],
  ['GATEWAY_URL', 'nowhere'],
  ['STREAM_MAX_BYTES', 'lots'],
])('a wrong %s is refused by its name', (name, value) => {
  expect(() => readLaunchSettings({ [name]: value })).toThrow(new RegExp(`^${name} `));
});

test('the services get what the launcher decided, and everything else as it was', () => {
  const settings = readLaunchSettings({ BIND_HOST: '0.0.0.0', BATCH_SIZE: '7', WORKERS: '2', LOG_FORMAT: 'pretty' });
  const { door, workers } = serviceEnvironments(settings, ports, 'postgres://p', 'nats://n');
  expect(door).toMatchObject({
    DATABASE_URL: 'postgres://p',
    NATS_URL: 'nats://n',
    BIND_HOST: '0.0.0.0',
    HTTP_PORT: '1',
    GATEWAY_GRPC_PORT: '2',
    QUERY_GRPC_PORT: '3',
    GATEWAY_URL: '127.0.0.1:2',
    BATCH_SIZE: '7',
    LOG_FORMAT: 'pretty',
    EVENTSIEVE_SUPERVISED: '1',
  });
  expect(workers.map((worker) => worker.WORKER_METRICS_PORT)).toEqual(['0', '0']);
});

test('workers with an explicit metrics port each have their own', () => {
  const settings = readLaunchSettings({ WORKERS: '3', WORKER_METRICS_PORT: '9500' });
  const { workers } = serviceEnvironments(settings, ports, 'd', 'n');
  expect(workers.map((worker) => worker.WORKER_METRICS_PORT)).toEqual(['9500', '9501', '9502']);
});
