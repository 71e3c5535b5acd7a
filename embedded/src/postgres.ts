import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type BoundedLog, openBoundedLog } from './bounded-log.js';
import {
  describeExit,
  type Escalation,
  type Exit,
  endChild,
  exitOf,
  exitWithOutput,
  hasEnded,
  type Track,
  trackNothing,
} from './child.js';
import { freePort } from './free-port.js';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.js';
import { POSTGRES_DATABASE, POSTGRES_USER, postgresEnvironment, prepareDataFolder } from './postgres-data.js';
import { clusterName, endLeftoverPostgres, waitForBackends } from './postgres-leftovers.js';
import { postgresTuning } from './postgres-tuning.js';
import { sharedBuffers } from './shared-buffers.js';
import { type User, unprivilegedUser } from './unprivileged-user.js';

export interface PostgresOptions {
  /** made when it does not exist; as root its parent is opened for passing through, since Postgres runs as another user */
  dataDir: string;
  /** 0 or absent: any free one */
  port?: number;
  passwordFile?: string;
  logFile?: string;
  /** as many as are wanted at once; there is room for a hundred in any case */
  connections?: number;
  /** on top of the server's own, which are never weakened: fsync, full_page_writes and synchronous_commit come last */
  settings?: Record<string, string>;
  say?: (line: string) => void;
  stop?: AbortSignal;
  track?: Track;
}

export interface Postgres {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly version: string;
  readonly dataDir: string;
  /** of the first process; undefined while it is down */
  readonly pid: number | undefined;
  /** how the first process that was started last has ended, once it has */
  readonly exited: Promise<Exit>;
  /** fast shutdown, then an immediate one, then SIGKILL */
  stop(budgetMs?: number): Promise<void>;
  /** a shutdown that does not wait for a checkpoint: safe, but the next start recovers */
  stopNow(): Promise<void>;
  /** SIGKILL to the first process, as a crash would */
  kill(): Promise<void>;
  /** stops it if it runs, waits for what a crash left behind and starts again on the same port */
  restart(): Promise<void>;
}

const HOST = '127.0.0.1';
const READY = 'database system is ready to accept connections';
/** What a server that was killed a moment ago still holds. */
const NOT_YET = /pre-existing shared memory block|lock file ".*" already exists/;
const RETRY_FOR_MS = 10_000;

export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { say = () => {}, stop, track = trackNothing } = options;
  const dataDir = resolve(options.dataDir);
  const user = unprivilegedUser(existsSync(dataDir) ? dataDir : undefined);
  const binaries = postgresBinaries(user, say);
  const passwordFile = options.passwordFile ?? `${dataDir}.password`;
  const data = await prepareDataFolder({ dataDir, passwordFile, binaries, user, say, stop, track });
  await endLeftoverPostgres(data.path, say);
  const log = openBoundedLog(options.logFile ?? `${dataDir}.log`);
  const port = options.port || (await freePort(HOST));
  const cluster = clusterName(data.path);
  const args = ['-D', data.path, ...serverSettings(port, cluster, options)];
  let child: ChildProcess | undefined;

  const start = async () => {
    const deadline = Date.now() + RETRY_FOR_MS;
    for (;;) {
      stop?.throwIfAborted();
      child = launch(binaries, args, user, log, track);
      const problem = await readyOrProblem(child, say, stop);
      stop?.throwIfAborted();
      if (problem === undefined) return;
      if (!NOT_YET.test(problem) || Date.now() > deadline)
        throw new Error(`Postgres did not start: ${essence(problem)}`);
      await delay(200);
    }
  };
  const end = async (steps: Escalation[]) => {
    if (child !== undefined) await endChild(child, steps);
    await waitForBackends(cluster, 300);
  };
  const immediate = { signal: 'SIGQUIT', budgetMs: 1_000 } as const;
  const stopFast = (budgetMs = 8_000) => end([{ signal: 'SIGINT', budgetMs }, immediate]);

  await start();
  return {
    url: `postgres://${POSTGRES_USER}:${data.password}@${HOST}:${port}/${POSTGRES_DATABASE}`,
    host: HOST,
    port,
    version: binaries.version,
    dataDir: data.path,
    get pid() {
      return child === undefined || hasEnded(child) ? undefined : child.pid;
    },
    get exited() {
      return child === undefined ? Promise.reject(new Error('never started')) : exitOf(child);
    },
    stop: stopFast,
    stopNow: () => end([immediate]),
    kill: async () => {
      if (child !== undefined) await endChild(child, []);
    },
    restart: async () => {
      if (child !== undefined && !hasEnded(child)) await stopFast();
      await waitForBackends(cluster);
      await start();
    },
  };
}

function launch(binaries: PostgresBinaries, args: string[], user: User | undefined, log: BoundedLog, track: Track) {
  const child = spawn(binaries.postgres, args, {
    ...user,
    cwd: '/',
    env: postgresEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C reaches the whole group of a terminal; Postgres has to outlive the services that drain into it.
    detached: true,
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => log.write(text));
  child.on('error', (error) => log.write(`${error.message}\n`));
  const forget = child.pid === undefined ? () => {} : track('postgres', child.pid);
  void exitOf(child).then(forget);
  return child;
}

/** Recovery after a crash takes as long as it takes: only the end of the process or a stop ends the waiting. */
async function readyOrProblem(child: ChildProcess, say: (line: string) => void, stop?: AbortSignal) {
  const notice = setInterval(() => say('postgres: still starting (recovering after a crash takes its time)'), 10_000);
  const abort = () => void endChild(child, [{ signal: 'SIGQUIT', budgetMs: 2_000 }]);
  stop?.addEventListener('abort', abort, { once: true });
  let seen = '';
  const ready = new Promise<undefined>((resolve) => {
    child.stderr?.on('data', (text: string) => {
      seen = (seen + text).slice(-4_000);
      if (seen.includes(READY)) resolve(undefined);
    });
  });
  try {
    return await Promise.race([ready, exitWithOutput(child).then((exit) => seen.trim() || describeExit(exit))]);
  } finally {
    clearInterval(notice);
    stop?.removeEventListener('abort', abort);
  }
}

/** Of a log that may be long, what stopped it. */
function essence(log: string): string {
  const told = log.matchAll(/ (?:FATAL|PANIC|HINT|LOG): +(.*)/g);
  const lines = [...told].filter(([line, text]) => !line.startsWith(' LOG') || text?.startsWith('could not'));
  return lines.map(([, text]) => text).join('; ') || log;
}

function serverSettings(
  port: number,
  cluster: string,
  { connections = 0, settings: extra = {} }: PostgresOptions,
): string[] {
  const settings: Record<string, string> = {
    max_connections: String(Math.max(100, connections)),
    shared_buffers: sharedBuffers(),
    ...postgresTuning,
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    log_min_messages: 'warning',
    ...extra,
    port: String(port),
    listen_addresses: HOST,
    unix_socket_directories: '',
    cluster_name: cluster,
    update_process_title: 'on',
    lc_messages: 'C',
    // On the command line, so that neither postgresql.conf nor ALTER SYSTEM can turn off what the promises rest on.
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}
