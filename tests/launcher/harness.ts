import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findNatsServer } from '@eventsieve/embedded/find-nats-server';
import { freePort } from '@eventsieve/embedded/free-port';
import { clusterName } from '@eventsieve/embedded/postgres-leftovers';
import { canEnter } from '@eventsieve/embedded/unprivileged-user';
import pg from 'pg';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const realLauncher = 'embedded/dist/start.js';
export const stubLauncher = 'tests/launcher/launch-stubs.mjs';

export interface Scratch {
  dataDir: string;
  environment: Record<string, string>;
  remove(): void;
}

export interface User {
  uid: number;
  gid: number;
}

/** A data folder and ports of its own; nats-server is looked for once, not in every start. */
export async function scratch(owner?: User): Promise<Scratch> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'eventsieve-launcher-')));
  if (owner) chownSync(folder, owner.uid, owner.gid);
  const dataDir = join(folder, 'data');
  const names = ['HTTP_PORT', 'GATEWAY_GRPC_PORT', 'QUERY_GRPC_PORT', 'EMBEDDED_PG_PORT', 'EMBEDDED_NATS_PORT'];
  let { path: natsServer } = await findNatsServer();
  if (owner && !canEnter(dirname(natsServer), owner)) {
    copyFileSync(natsServer, join(folder, 'nats-server'));
    natsServer = join(folder, 'nats-server');
  }
  const environment: Record<string, string> = { DATA_DIR: dataDir, NATS_SERVER: natsServer };
  for (const name of names) environment[name] = String(await freePort());
  return { dataDir, environment, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface Launcher {
  process: ChildProcess;
  pid: number;
  output(): string;
  /** the first line, also of the past, that matches and comes after the ones returned before */
  line(pattern: RegExp, budgetMs?: number): Promise<string>;
  ended(budgetMs?: number): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export interface StartOptions {
  entry?: string;
  environment: Record<string, string>;
  user?: User;
  cwd?: string;
  clone?: string;
}

export function startLauncher({ entry = realLauncher, environment, user, cwd = tmpdir(), clone = root }: StartOptions) {
  return observe(
    spawn(process.execPath, [join(clone, entry)], {
      cwd,
      ...user,
      env: { PATH: process.env.PATH, LOG_FORMAT: 'json', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

/** The command of the README; a process group of its own stands for the one of a terminal. */
export function npmStart(environment: Record<string, string>): Launcher {
  return observe(
    spawn('npm', ['start'], {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, LOG_FORMAT: 'json', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    }),
  );
}

function observe(child: ChildProcess & { stdout: Readable; stderr: Readable }): Launcher {
  const lines: string[] = [];
  let waiting: (() => void)[] = [];
  const wake = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (text) => {
      lines.push(text);
      wake();
    });
  }
  let closed = false;
  child.on('close', () => {
    closed = true;
    wake();
  });
  let next = 0;
  const launcher: Launcher = {
    process: child,
    pid: child.pid ?? 0,
    output: () => lines.join('\n'),
    async line(pattern, budgetMs = 60_000) {
      const deadline = Date.now() + budgetMs;
      for (;;) {
        const index = lines.findIndex((text, i) => i >= next && pattern.test(text));
        if (index >= 0) {
          next = index + 1;
          return lines[index] as string;
        }
        const problem = closed ? 'before it ended' : `within ${budgetMs} ms`;
        if (closed || Date.now() > deadline) throw new Error(`no line ${pattern} ${problem}:\n${lines.join('\n')}`);
        const more = new Promise<void>((resolve) => waiting.push(resolve));
        await Promise.race([more, delay(Math.max(1, deadline - Date.now()))]);
        waiting = [];
      }
    },
    async ended(budgetMs = 30_000) {
      if (child.exitCode === null && child.signalCode === null) {
        const late = delay(budgetMs).then(() => {
          throw new Error(`still runs after ${budgetMs} ms:\n${lines.join('\n')}`);
        });
        await Promise.race([once(child, 'exit'), late]);
      }
      // Its last lines may still have to be read; what a killed one leaves behind may hold its output open.
      if (child.signalCode === null && !closed) await Promise.race([once(child, 'close'), delay(5_000)]);
      return { code: child.exitCode, signal: child.signalCode };
    },
  };
  return launcher;
}

/** Everything that belongs to a data folder: by its command, its environment or its title. */
export function processesOf(dataDir: string): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  const title = `postgres: ${clusterName(join(dataDir, 'postgres'))}:`;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const command = read(`/proc/${name}/cmdline`).replaceAll('\0', ' ');
    const environment = read(`/proc/${name}/environ`).split('\0');
    const ours = command.includes(dataDir) || command.startsWith(title) || environment.includes(`DATA_DIR=${dataDir}`);
    if (ours && command !== '') found.push({ pid: Number(name), command });
  }
  return found;
}

export function familyOf(pid: number): { parent: number; group: number } {
  const stat = read(`/proc/${pid}/stat`);
  const [, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(parent), group: Number(group) };
}

export function pidOf(dataDir: string, pattern: RegExp): number {
  const all = processesOf(dataDir).filter(({ command }) => pattern.test(command));
  // A child that was forked a moment ago still has its parent's command.
  const found = all.filter(({ pid }) => !all.some((other) => other.pid === familyOf(pid).parent));
  if (found.length !== 1) throw new Error(`${found.length} processes match ${pattern}`);
  return found[0]?.pid as number;
}

/** One of them may have ended by itself meanwhile. */
export function killAll(processes: readonly { readonly pid: number }[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** How long it took until nothing of it was left. */
export async function gone(dataDir: string, budgetMs = 30_000): Promise<number> {
  const started = Date.now();
  for (;;) {
    const left = processesOf(dataDir);
    const took = Date.now() - started;
    if (left.length === 0) return took;
    if (took > budgetMs) {
      // A failed test must not take the ones after it along.
      killAll(left);
      throw new Error(
        `left after ${took} ms: ${left.map(({ pid, command }) => `${pid} ${command.trim()}`).join('; ')}`,
      );
    }
    await delay(25);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

export function databaseUrl({ dataDir, environment }: Scratch): string {
  const password = readFileSync(join(dataDir, 'postgres.password'), 'utf8').trim();
  return `postgres://eventsieve:${password}@127.0.0.1:${environment.EMBEDDED_PG_PORT}/eventsieve`;
}

export async function usingSql(place: Scratch, action: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl(place) });
  await client.connect();
  try {
    await action(client);
  } finally {
    await client.end();
  }
}
