import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { namesFor } from '@eventsieve/contract/names';
import { endChild, type Track } from '@eventsieve/embedded/child';
import { freePort } from '@eventsieve/embedded/free-port';
import { nodeFlagsOf } from '@eventsieve/embedded/node-flags';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { createDatabase } from './database.js';
import { cpuWithChildren, useOf } from './process-use.js';
import type { Servers } from './servers.js';

export type ServiceName = 'gateway' | 'dedup-worker' | 'query';

/** CPU seconds of each part since it was asked last, and the most memory that each service ever held. */
export interface SystemUse {
  readonly cpuSeconds: Readonly<Record<string, number>>;
  readonly peakMb: Readonly<Record<string, number>>;
}

export interface SystemContext {
  readonly root: string;
  readonly path: string;
  /** For Node itself, in front of the service. */
  readonly nodeFlags: readonly string[];
  readonly servers: Servers;
  readonly track: Track;
  readonly environment?: Readonly<Record<string, string>>;
}

export type System = Awaited<ReturnType<typeof startSystem>>;

const readyWithinMs = 60_000;
const keptOutput = 4_000;

/** Gateway, worker and query as they are shipped, on a database and a stream of their own. */
export async function startSystem({ root, path, nodeFlags, servers, track, environment = {} }: SystemContext) {
  const database = await createDatabase(servers.postgres.url);
  const prefix = `b${randomBytes(4).toString('hex')}`;
  const ports = { gateway: await freePort(), query: await freePort(), http: await freePort() };
  const settings = {
    PATH: path,
    LOG_LEVEL: 'warn',
    DATABASE_URL: database.url,
    NATS_URL: servers.nats.url,
    NATS_PREFIX: prefix,
    GATEWAY_GRPC_PORT: String(ports.gateway),
    GATEWAY_URL: `127.0.0.1:${ports.gateway}`,
    QUERY_GRPC_PORT: String(ports.query),
    HTTP_PORT: String(ports.http),
    GATEWAY_METRICS_PORT: '0',
    WORKER_METRICS_PORT: '0',
    ...environment,
  };
  const processes = new Map<ServiceName, ChildProcess>();

  async function start(name: ServiceName): Promise<void> {
    const child = spawn(
      process.execPath,
      [...nodeFlags, ...nodeFlagsOf(name), join(root, `services/${name}/dist/main.js`)],
      {
        cwd: servers.folder,
        env: settings,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        detached: true,
      },
    );
    const forget = child.pid === undefined ? () => undefined : track('service', child.pid);
    child.once('exit', forget);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-keptOutput);
      });
    }
    processes.set(name, child);
    const ended = once(child, 'exit').then(() => {
      throw new Error(`${name} ended before it was ready:\n${output}`);
    });
    ended.catch(() => undefined);
    await Promise.race([once(child, 'message', { signal: AbortSignal.timeout(readyWithinMs) }), ended]);
  }

  async function stop(name: ServiceName): Promise<void> {
    const child = processes.get(name);
    processes.delete(name);
    if (child) await endChild(child, [{ signal: 'SIGTERM', budgetMs: 12_000 }]);
  }

  const cpuNow = (): Record<string, number> => ({
    ...Object.fromEntries([...processes].map(([name, { pid = 0 }]) => [name, useOf(pid)?.cpuSeconds ?? 0])),
    postgres: cpuWithChildren(servers.postgres.pid ?? 0) ?? 0,
    nats: useOf(servers.nats.pid ?? 0)?.cpuSeconds ?? 0,
  });
  let cpuBefore: Record<string, number> = {};

  await start('gateway');
  await Promise.all([start('dedup-worker'), start('query')]);
  return {
    database,
    prefix,
    gateway: `127.0.0.1:${ports.gateway}`,
    query: `127.0.0.1:${ports.query}`,
    http: `http://127.0.0.1:${ports.http}`,
    start,
    stopService: stop,
    beginUse() {
      cpuBefore = cpuNow();
    },
    use(): SystemUse {
      const now = cpuNow();
      return {
        cpuSeconds: Object.fromEntries(Object.entries(now).map(([name, is]) => [name, is - (cpuBefore[name] ?? 0)])),
        peakMb: Object.fromEntries([...processes].map(([name, { pid = 0 }]) => [name, useOf(pid)?.peakMb ?? 0])),
      };
    },
    /** What it holds now. */
    heldMb: (name: ServiceName) => useOf(processes.get(name)?.pid ?? 0)?.heldMb,
    async stop() {
      await stop('gateway');
      await Promise.all([stop('dedup-worker'), stop('query')]);
      await deleteStream(servers.nats.url, prefix);
      await database.drop();
    },
  };
}

/** The broker keeps room for what a stream may hold, and would refuse the streams of later cases. */
async function deleteStream(url: string, prefix: string): Promise<void> {
  const connection = await connect({ servers: url });
  try {
    await (await jetstreamManager(connection)).streams.delete(namesFor(prefix).stream);
  } finally {
    await connection.close();
  }
}
