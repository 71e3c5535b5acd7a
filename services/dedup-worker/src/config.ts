import type { BrokerNames } from '@eventsieve/contract/names';
import { readBrokerNames } from '@eventsieve/runtime/broker-names';
import type { Environment } from '@eventsieve/runtime/environment';
import { SettingsError, settingsOf } from '@eventsieve/runtime/settings';
import { readStreamLimits, type StreamLimits } from '@eventsieve/runtime/stream';
import { type Retention, readRetention } from './keeper/retention.js';

export interface WorkerConfig {
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly names: BrokerNames;
  readonly streamLimits: StreamLimits;
  readonly bindHost: string;
  readonly metricsPort: number;
  readonly batchSize: number;
  readonly maxBatchBytes: number;
  readonly batchesInFlight: number;
  readonly ackWaitMs: number;
  readonly statementTimeoutMs: number;
  readonly retention: Retention;
  readonly duplicateLinesPerSecond: number;
  readonly drainMs: number;
}

export function readConfig(environment: Environment): WorkerConfig {
  const settings = settingsOf(environment);
  if (settings.text('DATABASE_URL', '') === '') throw new SettingsError('DATABASE_URL is not set.');
  return {
    databaseUrl: settings.url('DATABASE_URL', '', ['postgres', 'postgresql']),
    natsUrl: settings.url('NATS_URL', 'nats://127.0.0.1:14222', ['nats', 'tls']),
    names: readBrokerNames(settings),
    streamLimits: readStreamLimits(settings),
    bindHost: settings.text('BIND_HOST', '127.0.0.1'),
    metricsPort: settings.port('WORKER_METRICS_PORT', 9465),
    batchSize: settings.integer('BATCH_SIZE', 2000, { min: 1, max: 10_000 }),
    maxBatchBytes: settings.bytes('MAX_BATCH_BYTES', 8 * 1024 ** 2),
    batchesInFlight: settings.integer('BATCHES_IN_FLIGHT', 2, { min: 1, max: 16 }),
    ackWaitMs: settings.durationMs('ACK_WAIT', 10_000, { min: 500 }),
    statementTimeoutMs: settings.durationMs('STATEMENT_TIMEOUT', 10_000, { min: 500 }),
    retention: readRetention(settings),
    duplicateLinesPerSecond: settings.integer('DUPLICATE_LINES_PER_SECOND', 10),
    // What waits for a database that is away is let go within the whole, so that the process ends in order.
    drainMs: settings.durationMs('DRAIN_TIMEOUT', 8_000) * 0.8,
  };
}
