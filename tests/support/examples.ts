import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'vitest';
import type { System } from './system.js';
import { startProxy, type TcpProxy } from './tcp-proxy.js';

const folder = fileURLToPath(new URL('../../examples/', import.meta.url));

/** What stands in `examples/`, wherever the tests are run. */
export const example = (path: string) => `${folder}${path}`;

export const portOf = (address: string) => Number(address.split(':').at(-1));

/** Where the examples find a system. */
export const addressesOf = ({ http, gatewayAddress, queryAddress }: System) => ({
  TARGET_URL: http,
  GATEWAY_URL: gatewayAddress,
  QUERY_URL: queryAddress,
});

/** For examples that call a tool by its name. */
export const onPath = (tool: string) => ({ PATH: `${dirname(tool)}${delimiter}${process.env.PATH}` });

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** Runs it to its end, whatever that is. */
export function run(
  command: string,
  args: readonly string[],
  { environment, input = '', cwd = tmpdir(), timeoutMs = 100_000 }: RunOptions = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...environment }, timeout: timeoutMs, maxBuffer: 16 * 1024 ** 2 };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr: code === -1 ? `${stderr}${error}` : stderr });
    });
    // A command that is not there reads nothing.
    child.stdin?.on('error', () => undefined).end(input);
  });
}

export interface Following {
  /** Whole lines that it printed, in their order. */
  lines(): string[];
  complaints(): string;
  stop(): Promise<void>;
}

/** Starts what does not end by itself, in a process group of its own. */
export function follow(
  command: string,
  args: readonly string[],
  { environment, cwd = tmpdir() }: Pick<RunOptions, 'environment' | 'cwd'>,
): Following {
  const child: ChildProcess = spawn(command, args, {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const ended = once(child, 'close');
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return {
    lines: () => stdout.split('\n').slice(0, -1),
    complaints: () => stderr,
    async stop() {
      // A shell leaves what it has started behind.
      if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), 'SIGTERM');
      await ended;
    },
  };
}

export interface LossyProxy extends TcpProxy {
  /** Whether an answer has been lost. */
  lost(): boolean;
}

/** Comes between a client and a server once: the first bytes with the mark are taken, but their answer never arrives. */
export async function loseFirstAnswer(address: string, mark: string): Promise<LossyProxy> {
  let lost = false;
  const proxy = await startProxy(portOf(address), (chunk) => {
    if (lost || !chunk.includes(mark)) return chunk;
    lost = true;
    setImmediate(() => proxy.cut());
    return Buffer.alloc(0);
  });
  return { ...proxy, lost: () => lost };
}

/** What is stored of one source, in its order. */
export async function keptOf({ database }: Pick<System, 'database'>, source: string) {
  const { rows } = await database.pool.query<{ topic: string; event_id: string; payload: string }>(
    'select topic, event_id, payload::text from events where source = $1 order by position',
    [source],
  );
  return rows.map(({ topic, event_id, payload }) => ({ topic, eventId: event_id, payload: JSON.parse(payload) }));
}

/** Says why, where everybody sees it: a test that was not run must not look like one that passed. */
export function leaveOut({ task, skip }: TestContext, why: string): never {
  console.warn(`not run: "${task.name}": ${why}`);
  return skip(why);
}
