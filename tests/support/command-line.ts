import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** The command as it is shipped. */
export const eventsieve = fileURLToPath(new URL('../../packages/cli/bin/eventsieve.js', import.meta.url));

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface Ended {
  readonly code: number;
  readonly lines: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  readonly ended: Promise<Ended>;
}

/** In a process of its own, with nothing of this one's environment but the PATH. */
export function start(args: readonly string[], options: CommandOptions = {}): Running {
  return watch(process.execPath, [eventsieve, ...args], options);
}

export function run(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  return start(args, options).ended;
}

export interface TerminalOptions extends CommandOptions {
  readonly columns?: number;
}

/** On a terminal: what is written to stdin is typed there, and stdout has what the screen gets. */
export function startOnTerminal(args: readonly string[], { columns = 80, ...options }: TerminalOptions = {}): Running {
  const words = [process.execPath, eventsieve, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const line = `stty cols ${columns} rows 24; exec ${words.join(' ')}`;
  return watch('script', ['-qec', line, '/dev/null'], {
    ...options,
    environment: { TERM: 'xterm', ...options.environment },
  });
}

function watch(program: string, args: readonly string[], { environment, cwd = tmpdir() }: CommandOptions): Running {
  const child = spawn(program, args, { cwd, env: { PATH: process.env.PATH, ...environment } });
  // A test that fails must not leave one that follows for ever.
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes) => {
    stdout += bytes;
  });
  child.stderr.on('data', (bytes) => {
    stderr += bytes;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, lines: linesOf(stdout), stdout, stderr }));
  });
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
}

export const linesOf = (text: string): string[] => text.split('\n').slice(0, -1);
