import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Track } from '@eventsieve/embedded/child';

export type ServiceKind = 'gateway' | 'dedup-worker' | 'query';

export interface ServiceOptions {
  readonly kind: ServiceKind;
  readonly name: string;
  /** The folder that holds services/<kind>/dist. */
  readonly build: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly track: Track;
  /** It ended though nobody asked it to. */
  readonly onCrash: (name: string, how: string, output: string) => void;
}

/** A service process that can be ended, paused and started again. */
export interface Service {
  readonly kind: ServiceKind;
  readonly name: string;
  readonly pid: number | undefined;
  start(): Promise<void>;
  /** Resolves when it has ended, with its exit code; null after a signal. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  pause(): void;
  resume(): void;
  output(): string;
}

const keptOutput = 400_000;
const readyWithinMs = 30_000;

export function serviceOf(options: ServiceOptions): Service {
  const { kind, name, build, environment, folder, track, onCrash } = options;
  let child: ChildProcess | undefined;
  let asked = false;
  let output = '';

  return {
    kind,
    name,
    get pid() {
      return child?.pid;
    },
    async start() {
      if (child !== undefined) throw new Error(`${name} runs already`);
      asked = false;
      const started = spawn(process.execPath, [join(build, 'services', kind, 'dist/main.js')], {
        cwd: folder,
        env: { PATH: process.env.PATH, ...environment },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        detached: true,
      });
      child = started;
      const forget = started.pid === undefined ? () => undefined : track('service', started.pid);
      for (const stream of [started.stdout, started.stderr]) {
        stream?.on('data', (chunk: Buffer) => {
          output = (output + chunk.toString()).slice(-keptOutput);
        });
      }
      started.once('exit', (code, signal) => {
        forget();
        child = undefined;
        if (!asked) onCrash(name, signal ?? `exit code ${code}`, output);
      });
      const late = AbortSignal.timeout(readyWithinMs);
      const ended = once(started, 'exit', { signal: late }).then(() => {
        if (!asked) throw new Error(`${name} ended before it was ready:\n${output.slice(-2_000)}`);
      });
      await Promise.race([once(started, 'message', { signal: late }), ended]);
    },
    async end(signal) {
      const ending = child;
      if (ending === undefined) return null;
      asked = true;
      const exited = once(ending, 'exit') as Promise<[number | null]>;
      ending.kill(signal);
      // A process that is paused takes no other signal than SIGKILL before it goes on.
      if (signal !== 'SIGKILL') ending.kill('SIGCONT');
      return (await exited)[0];
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    output: () => output,
  };
}
