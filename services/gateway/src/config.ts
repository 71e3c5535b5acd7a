import type { BrokerNames } from '@eventsieve/contract/names';
import { readBrokerNames } from '@eventsieve/runtime/broker-names';
import type { Environment } from '@eventsieve/runtime/environment';
import { settingsOf } from '@eventsieve/runtime/settings';
import { readStreamLimits, type StreamLimits } from '@eventsieve/runtime/stream';
import type { AdmissionLimits } from './admission.js';

/** What one request and one event may hold. */
export interface EventLimits {
  readonly maxEventsPerRequest: number;
  readonly maxEventBytes: number;
  readonly maxPayloadDepth: number;
}

export interface GatewayConfig {
  readonly natsUrl: string;
  readonly names: BrokerNames;
  readonly streamLimits: StreamLimits;
  readonly bindHost: string;
  readonly grpcPort: number;
  readonly metricsPort: number;
  readonly limits: EventLimits;
  readonly maxRequestBytes: number;
  /** How long a PubAck may take before the fate of a copy is unknown. */
  readonly publishTimeoutMs: number;
  /** How long a STORED copy waits for its verdict. */
  readonly storedTimeoutMs: number;
  readonly maxMessagesInFlight: number;
  readonly maxBytesInFlight: number;
  /** What calls may hold from their start to their answer, and how many of their copies may wait for a verdict. */
  readonly admission: AdmissionLimits;
  readonly drainMs: number;
  /** How long calls may go on after a stop: those that wait on are answered then, and none is cut off. */
  readonly letGoMs: number;
  readonly duplicateLinesPerSecond: number;
}

export function readConfig(environment: Environment): GatewayConfig {
  const settings = settingsOf(environment);
  const drainTimeoutMs = settings.durationMs('DRAIN_TIMEOUT', 8_000);
  return {
    natsUrl: settings.url('NATS_URL', 'nats://127.0.0.1:14222', ['nats', 'tls']),
    names: readBrokerNames(settings),
    streamLimits: readStreamLimits(settings),
    bindHost: settings.text('BIND_HOST', '127.0.0.1'),
    grpcPort: settings.port('GATEWAY_GRPC_PORT', 50051),
    metricsPort: settings.port('GATEWAY_METRICS_PORT', 9464),
    limits: {
      maxEventsPerRequest: settings.integer('MAX_EVENTS_PER_REQUEST', 1000, { min: 1, max: 10_000 }),
      maxEventBytes: settings.bytes('MAX_EVENT_BYTES', 512 * 1024, { min: 1024, max: 32 * 1024 ** 2 }),
      maxPayloadDepth: settings.integer('MAX_PAYLOAD_DEPTH', 64, { min: 1, max: 500 }),
    },
    maxRequestBytes: settings.bytes('MAX_REQUEST_BYTES', 16 * 1024 ** 2, { min: 64 * 1024, max: 256 * 1024 ** 2 }),
    publishTimeoutMs: settings.durationMs('PUBLISH_TIMEOUT', 5_000, { min: 50 }),
    storedTimeoutMs: settings.durationMs('STORED_TIMEOUT', 5_000, { min: 50 }),
    maxMessagesInFlight: settings.integer('MAX_MESSAGES_IN_FLIGHT', 20_000, { min: 1 }),
    maxBytesInFlight: settings.bytes('MAX_BYTES_IN_FLIGHT', 64 * 1024 ** 2, { min: 1024 }),
    admission: {
      maxWaitingCopies: settings.integer('MAX_WAITING_COPIES', 50_000, { min: 1 }),
      maxRequestBytesInFlight: settings.bytes('MAX_REQUEST_BYTES_IN_FLIGHT', 128 * 1024 ** 2, { min: 64 * 1024 }),
    },
    drainMs: drainTimeoutMs * 0.8,
    letGoMs: drainTimeoutMs * 0.6,
    duplicateLinesPerSecond: settings.integer('DUPLICATE_LINES_PER_SECOND', 10),
  };
}
