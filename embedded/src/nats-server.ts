import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describeExit, type Exit, endChild, exitOf, hasEnded, type Track, trackNothing } from './child.js';
import { findNatsServer } from './find-nats-server.js';
import { freePort, portProblem } from './free-port.js';
import { natsServerConfig } from './nats-config.js';
import { natsEnvironment } from './nats-environment.js';
import { configFileOf, endLeftoverNats } from './nats-leftovers.js';
import { natsServerVersion } from './nats-version.js';

export interface NatsOptions {
  /** holds nats.conf and the streams; made when it does not exist */
  storeDir: string;
  /** 0 or absent: any free one */
  port?: number;
  /** absent: looked for, see findNatsServer */
  binary?: string;
  /** at least this much may be stored, however large the disk is */
  maxFileBytes?: number;
  /** how long an acknowledged message may wait for its fsync (servers from 2.10); default 10s */
  syncInterval?: string;
  logFile?: string;
  say?: (line: string) => void;
  stop?: AbortSignal;
  track?: Track;
}

export interface Nats {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly version: string;
  readonly binary: string;
  readonly storeDir: string;
  readonly logFile: string;
  /** undefined while it is down */
  readonly pid: number | undefined;
  /** how the process that was started last has ended, once it has */
  readonly exited: Promise<Exit>;
  /** SIGTERM, then SIGKILL */
  stop(budgetMs?: number): Promise<void>;
  /** SIGKILL, as a crash would */
  kill(): Promise<void>;
  /** stops it if it runs and starts again on the same port and store */
  restart(): Promise<void>;
}

const HOST = '127.0.0.1';
const DEFAULT_MAX_FILE_BYTES = 16 * 2 ** 30;
const LOG_BYTES = 4 << 20;

export async function startNats(options: NatsOptions): Promise<Nats> {
  const { say = () => {}, stop, track = trackNothing } = options;
  const binary = options.binary ?? (await findNatsServer({ say, stop, track })).path;
  const version = natsServerVersion(binary);
  if (version === undefined) throw new Error(`${binary} is not a nats-server that runs here.`);
  const storeDir = resolve(options.storeDir);
  const logFile = options.logFile ?? `${storeDir}.log`;
  const configFile = configFileOf(storeDir);
  for (const folder of [storeDir, dirname(logFile)]) mkdirSync(folder, { recursive: true });
  await endLeftoverNats(storeDir, say);
  const port = options.port || (await freePort(HOST));
  const { maxFileBytes = DEFAULT_MAX_FILE_BYTES, syncInterval = '10s' } = options;
  const config = natsServerConfig({ host: HOST, port, storeDir, logFile, version, maxFileBytes, syncInterval });
  writeFileSync(configFile, config);
  let child: ChildProcess | undefined;

  const start = async () => {
    stop?.throwIfAborted();
    // nats-server itself tries for ten seconds, in which a stranger's server would be taken for it.
    const problem = await portProblem(HOST, port);
    if (problem !== undefined) throw new Error(`nats-server did not start: port ${port}: ${problem}`);
    rotate(logFile);
    const logStart = sizeOf(logFile);
    child = launch(binary, configFile, logFile, track);
    const exit = await acceptsOrExit(child, port, say, stop);
    stop?.throwIfAborted();
    if (exit === undefined) return;
    throw new Error(`nats-server did not start: ${readFatal(logFile, logStart) ?? describeExit(exit)}`);
  };
  const end = async (budgetMs = 8_000) => {
    if (child !== undefined) await endChild(child, [{ signal: 'SIGTERM', budgetMs }]);
  };

  await start();
  return {
    url: `nats://${HOST}:${port}`,
    host: HOST,
    port,
    version,
    binary,
    storeDir,
    logFile,
    get pid() {
      return child === undefined || hasEnded(child) ? undefined : child.pid;
    },
    get exited() {
      return child === undefined ? Promise.reject(new Error('never started')) : exitOf(child);
    },
    stop: end,
    kill: async () => {
      if (child !== undefined) await endChild(child, []);
    },
    restart: async () => {
      await end();
      await start();
    },
  };
}

function launch(binary: string, configFile: string, logFile: string, track: Track): ChildProcess {
  // It logs to a file of its own: a Go program that writes into a pipe without reader dies at once.
  const errors = openSync(logFile, 'a');
  const child = spawn(binary, ['-c', configFile], {
    env: natsEnvironment(process.env),
    stdio: ['ignore', 'ignore', errors],
    detached: true,
  });
  closeSync(errors);
  child.on('error', () => {});
  const forget = child.pid === undefined ? () => {} : track('nats', child.pid);
  void exitOf(child).then(forget);
  return child;
}

/** The port opens only once JetStream has read its store back, however long that takes. */
async function acceptsOrExit(child: ChildProcess, port: number, say: (line: string) => void, stop?: AbortSignal) {
  const notice = setInterval(() => say('nats-server: still starting (reading its store)'), 10_000);
  const abort = () => void endChild(child, [{ signal: 'SIGTERM', budgetMs: 2_000 }]);
  stop?.addEventListener('abort', abort, { once: true });
  let exit: Exit | undefined;
  void exitOf(child).then((ended) => {
    exit = ended;
  });
  try {
    while (exit === undefined && !((await greets(port)) && exit === undefined)) await delay(20);
    return exit;
  } finally {
    clearInterval(notice);
    stop?.removeEventListener('abort', abort);
  }
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port });
    const done = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(1_000, () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
    socket.once('data', (data) => done(data.toString('latin1').startsWith('INFO ')));
  });
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

function rotate(logFile: string): void {
  if (sizeOf(logFile) > LOG_BYTES) renameSync(logFile, `${logFile}.1`);
}

function readFatal(logFile: string, from: number): string | undefined {
  if (!existsSync(logFile)) return undefined;
  const lines = readFileSync(logFile).subarray(from).toString('utf8').split('\n');
  const fatal = lines.find((line) => line.includes('[FTL]'))?.replace(/^.*\[FTL\]\s*/, '');
  return fatal ?? lines.findLast((line) => line.startsWith('nats-server: '));
}
