import type { LaunchSettings } from './launch-settings.js';

export interface Ports {
  http: number;
  gatewayGrpc: number;
  queryGrpc: number;
}

// Together with the budgets in stop-parts.ts: a service that drains too long still ends by itself, with a line in its log.
const DOOR_DRAIN = '3500ms';
const WORKER_DRAIN = '2s';

/** What the services get: everything the launcher got, and what it decided. */
export function serviceEnvironments(settings: LaunchSettings, ports: Ports, databaseUrl: string, natsUrl: string) {
  const { environment, bindHost, workers, workerMetricsPort } = settings;
  const anyHost = bindHost === '0.0.0.0' || bindHost === '::';
  const common: NodeJS.ProcessEnv = {
    ...environment,
    DATABASE_URL: databaseUrl,
    NATS_URL: natsUrl,
    BIND_HOST: bindHost,
    HTTP_PORT: String(ports.http),
    PORT: String(ports.http),
    GATEWAY_GRPC_PORT: String(ports.gatewayGrpc),
    QUERY_GRPC_PORT: String(ports.queryGrpc),
    GATEWAY_URL: settings.gatewayUrl ?? `${anyHost ? '127.0.0.1' : bindHost}:${ports.gatewayGrpc}`,
    GATEWAY_METRICS_PORT: String(settings.gatewayMetricsPort),
    LOG_FORMAT: environment.LOG_FORMAT || (process.stdout.isTTY ? 'pretty' : 'json'),
    EVENTSIEVE_SUPERVISED: '1',
  };
  const drain = (fallback: string) => ({ DRAIN_TIMEOUT: environment.DRAIN_TIMEOUT || fallback });
  const door = { ...common, WORKER_METRICS_PORT: '0', ...drain(DOOR_DRAIN) };
  return {
    door,
    // Several workers on one machine cannot share a port: an explicit one is the first worker's.
    workers: Array.from({ length: workers }, (_, i) => ({
      ...common,
      WORKER_METRICS_PORT: String(workerMetricsPort === 0 ? 0 : workerMetricsPort + i),
      ...drain(WORKER_DRAIN),
    })),
  };
}
