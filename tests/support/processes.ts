import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface ServiceProcess {
  readonly addresses: Readonly<Record<string, string>>;
  readonly child: ChildProcess;
  /** Everything it printed. */
  output(): string;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Tells it to stop, and how it ended. */
  stop(): Promise<Ending>;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Since it was told. */
  readonly ms: number;
}

/** A service as it is shipped: its build, in a process of its own. */
export async function startService(
  service: 'gateway' | 'dedup-worker' | 'query',
  environment: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  const child = spawn(process.execPath, [`${root}services/${service}/dist/main.js`], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH, LOG_LEVEL: 'info', ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-200_000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  // Only then everything that it printed has been read.
  const ended = once(child, 'close');
  const addresses = await Promise.race([
    once(child, 'message').then(([message]) => (message as { addresses: Record<string, string> }).addresses),
    ended.then(() => {
      throw new Error(`${service} ended before it was ready:\n${output}`);
    }),
  ]);
  return {
    addresses,
    child,
    output: () => output,
    async kill(signal = 'SIGKILL') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await ended;
    },
    async stop() {
      const toldAtMs = performance.now();
      child.kill('SIGTERM');
      const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
      return { code, signal, ms: performance.now() - toldAtMs };
    },
  };
}
