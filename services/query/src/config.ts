import type { BrokerNames } from '@eventsieve/contract/names';
import { readBrokerNames } from '@eventsieve/runtime/broker-names';
import type { Environment } from '@eventsieve/runtime/environment';
import { SettingsError, settingsOf } from '@eventsieve/runtime/settings';

export interface QueryConfig {
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly names: BrokerNames;
  readonly bindHost: string;
  readonly httpPort: number;
  /** Whose pages a browser lets read the answers: these origins, or everybody's. */
  readonly corsOrigins: readonly string[] | '*';
  readonly grpcPort: number;
  /** Where the bridge publishes. */
  readonly gatewayAddress: string;
  /** The HTTP status of a duplicate that was sent alone. */
  readonly duplicateStatus: 200 | 409;
  readonly maxEventsPerRequest: number;
  readonly maxRequestBytes: number;
  readonly maxRequestBytesInFlight: number;
  /** How long the gateway waits for a verdict; the bridge waits a little longer for the gateway. */
  readonly storedTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly auditTimeoutMs: number;
  /** After it a search stops where it is, and says where to go on. */
  readonly searchTimeoutMs: number;
  readonly poolSize: number;
  /** Of the newest events, for all who follow. */
  readonly tailBufferBytes: number;
  /** How long one who follows may take nothing. */
  readonly tailPatienceMs: number;
  readonly maxFollowers: number;
  readonly drainMs: number;
}

export function readConfig(environment: Environment): QueryConfig {
  const settings = settingsOf(environment);
  if (settings.text('DATABASE_URL', '') === '') throw new SettingsError('DATABASE_URL is not set.');
  const maxEventsPerRequest = settings.integer('MAX_EVENTS_PER_REQUEST', 1000, { min: 1, max: 10_000 });
  const maxEventBytes = settings.bytes('MAX_EVENT_BYTES', 512 * 1024, { min: 1024, max: 32 * 1024 ** 2 });
  const maxRequestBytes = settings.bytes('MAX_REQUEST_BYTES', 16 * 1024 ** 2, { min: 64 * 1024, max: 256 * 1024 ** 2 });
  return {
    databaseUrl: settings.url('DATABASE_URL', '', ['postgres', 'postgresql']),
    natsUrl: settings.url('NATS_URL', 'nats://127.0.0.1:14222', ['nats', 'tls']),
    names: readBrokerNames(settings),
    bindHost: settings.text('BIND_HOST', '127.0.0.1'),
    httpPort: settings.port('HTTP_PORT', settings.port('PORT', 8080)),
    corsOrigins: readOrigins(settings.text('CORS_ORIGINS', '')),
    grpcPort: settings.port('QUERY_GRPC_PORT', 50052),
    gatewayAddress: settings.address('GATEWAY_URL', '127.0.0.1:50051'),
    duplicateStatus: settings.choice('DUPLICATE_STATUS', ['200', '409'], '200') === '409' ? 409 : 200,
    maxEventsPerRequest,
    maxRequestBytes: Math.min(maxRequestBytes, maxEventBytes * maxEventsPerRequest),
    maxRequestBytesInFlight: settings.bytes('MAX_REQUEST_BYTES_IN_FLIGHT', 128 * 1024 ** 2, { min: 64 * 1024 }),
    storedTimeoutMs: settings.durationMs('STORED_TIMEOUT', 5_000, { min: 50 }),
    statementTimeoutMs: settings.durationMs('STATEMENT_TIMEOUT', 10_000, { min: 500 }),
    auditTimeoutMs: settings.durationMs('AUDIT_TIMEOUT', 120_000, { min: 1_000 }),
    searchTimeoutMs: settings.durationMs('SEARCH_TIMEOUT', 1_000, { min: 50 }),
    poolSize: settings.integer('QUERY_POOL_SIZE', 10, { min: 2, max: 100 }),
    tailBufferBytes: settings.bytes('TAIL_BUFFER_BYTES', 16 * 1024 ** 2, { min: 64 * 1024, max: 1024 ** 3 }),
    tailPatienceMs: settings.durationMs('TAIL_PATIENCE', 30_000, { min: 100 }),
    maxFollowers: settings.integer('MAX_FOLLOWERS', 5_000, { min: 1, max: 100_000 }),
    // HTTP and gRPC drain at the same time; what is left is for the connections.
    drainMs: settings.durationMs('DRAIN_TIMEOUT', 8_000) * 0.8,
  };
}

function readOrigins(value: string): readonly string[] | '*' {
  if (value === '*') return '*';
  const given = value.split(',').map((each) => each.trim());
  return given.filter(Boolean).map((each) => {
    const url = URL.canParse(each) ? new URL(each) : undefined;
    if (/^https?:\/\/[^*]+$/i.test(each) && url?.href === `${url?.origin}/`) return url.origin;
    const wanted = '*, or origins such as https://example.com, separated by commas';
    throw new SettingsError(`CORS_ORIGINS is "${value}", but must be ${wanted}.`);
  });
}
