import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** What the guard must end if this process is killed before it could do so itself. */
export type TrackedKind = 'service' | 'nats' | 'postgres' | 'task';
export type Track = (kind: TrackedKind, pid: number) => () => void;

export const trackNothing: Track = () => () => {};

export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

/** Resolves when the process has ended; also when it never started. */
export function exitOf(child: ChildProcess): Promise<Exit> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve({ code: child.exitCode, signal: child.signalCode });
  }
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => {
      if (child.pid === undefined) resolve({ code: 127, signal: null });
    });
  });
}

const lateOutputMs = 1_000;

/** Once all that it wrote has come too, which may be later; what it has started itself may hold the pipes for longer. */
export async function exitWithOutput(child: ChildProcess): Promise<Exit> {
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const exit = await exitOf(child);
  await Promise.race([closed, delay(lateOutputMs, undefined, { ref: false })]);
  return exit;
}

export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

export async function endsWithin(child: ChildProcess, budgetMs: number): Promise<boolean> {
  if (hasEnded(child)) return true;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, budgetMs));
  });
  const ended = await Promise.race([exitOf(child).then(() => true), late]);
  clearTimeout(timer);
  return ended;
}

export interface Escalation {
  signal: NodeJS.Signals;
  budgetMs: number;
}

/** Each signal gets its budget; SIGKILL comes after the last one. `group` reaches what the child has started. */
export async function endChild(child: ChildProcess, steps: readonly Escalation[], group = false): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return;
  for (const { signal, budgetMs } of [...steps, { signal: 'SIGKILL', budgetMs: 2_000 } as const]) {
    if (hasEnded(child)) return;
    try {
      process.kill(group ? -pid : pid, signal);
    } catch {
      // ended meanwhile
    }
    if (await endsWithin(child, budgetMs)) return;
  }
}

export interface TaskOptions extends SpawnOptions {
  input?: string;
  stop?: AbortSignal | undefined;
  track?: Track | undefined;
}

export interface TaskResult extends Exit {
  output: string;
}

const KEPT_OUTPUT_CHARACTERS = 64_000;

/** Runs a command to its end in a process group of its own; its output is kept, and an abort ends the whole group. */
export async function runTask(command: string, args: string[], options: TaskOptions = {}): Promise<TaskResult> {
  const { input, stop, track = trackNothing, ...spawnOptions } = options;
  stop?.throwIfAborted();
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...spawnOptions, detached: true });
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString('utf8')).slice(-KEPT_OUTPUT_CHARACTERS);
  };
  child.on('error', (error) => keep(Buffer.from(`${error.message}\n`)));
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  const forget = child.pid === undefined ? () => {} : track('task', child.pid);
  const end = () => void endChild(child, [{ signal: 'SIGTERM', budgetMs: 1_000 }], true);
  stop?.addEventListener('abort', end, { once: true });
  const exit = await exitWithOutput(child);
  stop?.removeEventListener('abort', end);
  forget();
  stop?.throwIfAborted();
  return { ...exit, output: output.trim() };
}
