import { randomBytes } from 'node:crypto';
import { IngestServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { namesFor } from '@eventsieve/contract/names';
import { freePort } from '@eventsieve/embedded/free-port';
import { credentials } from '@grpc/grpc-js';
import { inject } from 'vitest';
import { createDatabase, type TestDatabase } from './database.js';
import { type ServiceProcess, startService } from './processes.js';

export interface SystemOptions {
  readonly workers?: number;
  readonly query?: boolean;
  readonly natsUrl?: string;
  /** What the workers connect to, when that is not the broker itself. */
  readonly workerNatsUrl?: string;
  readonly postgresUrl?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Gateway, workers and query as processes, on a database and a broker prefix of their own. */
export async function startSystem(options: SystemOptions = {}) {
  const database = await createDatabase(options.postgresUrl ?? inject('postgresUrl'));
  const prefix = `t${randomBytes(4).toString('hex')}`;
  const [gatewayPort, queryPort, httpPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const natsUrl = options.natsUrl ?? inject('natsUrl');
  const environment = {
    DATABASE_URL: database.url,
    NATS_URL: natsUrl,
    NATS_PREFIX: prefix,
    GATEWAY_GRPC_PORT: String(gatewayPort),
    GATEWAY_URL: `127.0.0.1:${gatewayPort}`,
    QUERY_GRPC_PORT: String(queryPort),
    HTTP_PORT: String(httpPort),
    GATEWAY_METRICS_PORT: '0',
    WORKER_METRICS_PORT: '0',
    STREAM_MAX_BYTES: '256MB',
    ...options.environment,
  };
  const startGateway = () => startService('gateway', environment);
  const startWorker = () =>
    startService('dedup-worker', { ...environment, NATS_URL: options.workerNatsUrl ?? natsUrl });
  const startQuery = () => startService('query', environment);

  const system = {
    database,
    names: namesFor(prefix),
    natsUrl,
    http: `http://127.0.0.1:${httpPort}`,
    queryAddress: `127.0.0.1:${queryPort}`,
    gatewayAddress: `127.0.0.1:${gatewayPort}`,
    gateway: await startGateway(),
    workers: await Promise.all(Array.from({ length: options.workers ?? 1 }, startWorker)),
    query: options.query === false ? undefined : await startQuery(),
    startGateway,
    startWorker,
    startQuery,
    /** With a connection of its own: grpc-js would let clients of one address share one. */
    ingest: () =>
      new IngestServiceClient(`127.0.0.1:${gatewayPort}`, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
      }),
    processes(): ServiceProcess[] {
      return [system.gateway, ...system.workers, ...(system.query ? [system.query] : [])];
    },
    async stop(): Promise<void> {
      await Promise.all(system.processes().map((each) => each.kill('SIGTERM')));
      await database.drop();
    },
  };
  return system;
}

export type System = Awaited<ReturnType<typeof startSystem>>;
export type { TestDatabase };
