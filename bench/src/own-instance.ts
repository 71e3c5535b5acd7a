import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { endChild, exitOf, type Track } from '@eventsieve/embedded/child';
import { freePort } from '@eventsieve/embedded/free-port';

export interface OwnInstance {
  readonly gateway: string;
  readonly query: string;
  stop(): Promise<void>;
}

export interface InstanceContext {
  /** The repository, built. */
  readonly root: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly track: Track;
  readonly stopping: AbortSignal;
}

const readyWithinMs = 120_000;
const keptLines = 40;

/** What npm start starts, with empty data in a scratch folder and on free ports: nobody else's events are counted. */
export async function startOwnInstance({ root, environment, track, stopping }: InstanceContext): Promise<OwnInstance> {
  stopping.throwIfAborted();
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-bench-'));
  const names = ['HTTP_PORT', 'GATEWAY_GRPC_PORT', 'QUERY_GRPC_PORT', 'EMBEDDED_PG_PORT', 'EMBEDDED_NATS_PORT'];
  const ports: Record<string, string> = {};
  for (const name of names) ports[name] = String(await freePort());
  // Someone's own servers and ports are not for a benchmark's events; the folder has no .env that could name them.
  const {
    DATABASE_URL: _database,
    NATS_URL: _nats,
    NATS_PREFIX: _prefix,
    GATEWAY_URL: _gateway,
    BIND_HOST: _host,
    ...rest
  } = environment;
  const child = spawn(process.execPath, [join(root, 'embedded/dist/start.js')], {
    cwd: folder,
    env: {
      LOG_LEVEL: 'warn',
      ...rest,
      ...ports,
      DATA_DIR: join(folder, 'data'),
      GATEWAY_METRICS_PORT: '0',
      WORKER_METRICS_PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: Ctrl-C is for this process, which stops it when the load has ended.
    detached: true,
  });
  const forget = child.pid === undefined ? () => undefined : track('service', child.pid);
  async function stop(): Promise<void> {
    await endChild(child, [{ signal: 'SIGTERM', budgetMs: 10_000 }]);
    forget();
    rmSync(folder, { recursive: true, force: true });
  }

  const lines: string[] = [];
  const ready = new Promise<true>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (lines.push(line) > keptLines) lines.shift();
        if (line === 'eventsieve is ready') resolve(true);
      });
    }
  });
  const late = AbortSignal.any([stopping, AbortSignal.timeout(readyWithinMs)]);
  const givenUp = new Promise<false>((resolve) => late.addEventListener('abort', () => resolve(false), { once: true }));
  if (!(await Promise.race([ready, exitOf(child).then(() => false), givenUp]))) {
    await stop();
    stopping.throwIfAborted();
    throw new Error(`${lines.join('\n')}\nthe instance for the benchmark did not start.`);
  }
  return {
    gateway: `127.0.0.1:${ports.GATEWAY_GRPC_PORT}`,
    query: `127.0.0.1:${ports.QUERY_GRPC_PORT}`,
    stop,
  };
}
