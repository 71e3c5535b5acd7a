import { resolve } from 'node:path';
import type { Environment } from '@eventsieve/runtime/environment';
import { settingsOf } from '@eventsieve/runtime/settings';

export interface LaunchSettings {
  dataDir: string;
  /** given: that part is not embedded */
  databaseUrl: string | undefined;
  natsUrl: string | undefined;
  bindHost: string;
  httpPort: number;
  gatewayGrpcPort: number;
  queryGrpcPort: number;
  /** given: the bridge publishes there instead of at the gateway of this start */
  gatewayUrl: string | undefined;
  gatewayMetricsPort: number;
  workerMetricsPort: number;
  postgresPort: number;
  natsPort: number;
  workers: number;
  streamMaxBytes: number;
  /** what all parts together open to Postgres, and some for people */
  connections: number;
  /** what is passed on to the services */
  environment: Environment;
}

// As in the services: a worker aligns, keeps and measures beside its batches, the query service audits beside its reads.
const connectionsBesideBatches = 6;
const connectionsBesidePool = 5;
const connectionsForPeople = 20;

/** What the launcher itself needs. The services read the rest, and refuse what is wrong by its name. */
export function readLaunchSettings(environment: Environment): LaunchSettings {
  const settings = settingsOf(environment);
  const given = <T>(name: string, read: () => T): T | undefined => (environment[name]?.trim() ? read() : undefined);
  settings.choice('LOG_FORMAT', ['json', 'pretty'], 'json');
  const workers = settings.integer('WORKERS', 1, { min: 1, max: 64 });
  const ofWorker = settings.integer('BATCHES_IN_FLIGHT', 2, { min: 1, max: 16 }) + connectionsBesideBatches;
  const ofQuery = settings.integer('QUERY_POOL_SIZE', 10, { min: 2, max: 100 }) + connectionsBesidePool;
  return {
    dataDir: resolve(settings.text('DATA_DIR', './data')),
    databaseUrl: given('DATABASE_URL', () => settings.url('DATABASE_URL', '', ['postgres', 'postgresql'])),
    natsUrl: given('NATS_URL', () => settings.url('NATS_URL', '', ['nats', 'tls'])),
    bindHost: settings.text('BIND_HOST', '127.0.0.1'),
    httpPort: settings.port('HTTP_PORT', settings.port('PORT', 8080)),
    gatewayGrpcPort: settings.port('GATEWAY_GRPC_PORT', 50_051),
    queryGrpcPort: settings.port('QUERY_GRPC_PORT', 50_052),
    gatewayUrl: given('GATEWAY_URL', () => settings.address('GATEWAY_URL', '')),
    gatewayMetricsPort: settings.port('GATEWAY_METRICS_PORT', 0),
    workerMetricsPort: settings.port('WORKER_METRICS_PORT', 0),
    postgresPort: settings.port('EMBEDDED_PG_PORT', 15_432),
    natsPort: settings.port('EMBEDDED_NATS_PORT', 14_222),
    workers,
    streamMaxBytes: settings.bytes('STREAM_MAX_BYTES', 0, { min: 0 }),
    connections: workers * ofWorker + ofQuery + connectionsForPeople,
    environment,
  };
}
