import { randomBytes } from 'node:crypto';
import { IngestServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { namesFor } from '@eventsieve/contract/names';
import { freePort } from '@eventsieve/embedded/free-port';
import { credentials } from '@grpc/grpc-js';
import { inject } from 'vitest';
import { createDatabase, type TestDatabase } from './database.js';
import { type ServiceProcess, startService } from './processes.js';
import { waitUntil } from './wait-until.js';

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
  const prefix = options.environment?.NATS_PREFIX ?? `t${randomBytes(4).toString('hex')}`;
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
    // A machine that stands still for a while must not make an unknown fate of an answer. Clients wait a little longer.
    PUBLISH_TIMEOUT: '12s',
    STORED_TIMEOUT: '12s',
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
  // Each is ready before it has found the others; no test is about that moment by chance.
  await Promise.all([system.gateway, ...system.workers].map(well));
  if (system.query) await seesAll(system.http, system.workers.length > 0);
  return system;
}

/** Waits until a gateway or a worker has found what it needs. */
export async function well({ addresses }: ServiceProcess): Promise<void> {
  await waitUntil('a service is well', async () => (await fetch(`http://${addresses.metrics}/health`)).ok);
}

async function seesAll(http: string, withWorkers: boolean): Promise<void> {
  await waitUntil('the query service sees every part', async () => {
    const { parts } = (await (await fetch(`${http}/health`)).json()) as { parts: Record<string, boolean> };
    return Object.entries(parts).every(([part, there]) => there || (part === 'dedup_worker' && !withWorkers));
  });
}

export type System = Awaited<ReturnType<typeof startSystem>>;
export type { TestDatabase };
