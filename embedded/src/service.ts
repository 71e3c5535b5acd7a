import { type ChildProcess, spawn } from 'node:child_process';
import { describeExit, endChild, exitOf, type Track } from './child.js';
import type { Ending, Part } from './keep-up.js';
import { nodeFlagsOf } from './node-flags.js';

/** Where a service says that it serves: host:port, and a URL for http. */
export interface Addresses {
  grpc?: string;
  http?: string;
  metrics?: string;
}

export interface ServiceSpec {
  name: string;
  entry: string;
  environment: NodeJS.ProcessEnv;
  workingFolder: string;
}

export interface Service extends Part {
  readonly addresses: Addresses;
  /** SIGTERM, and SIGKILL when the budget is over or `hurry` says so */
  stop(budgetMs: number, hurry: AbortSignal): Promise<void>;
  /** ends it so that it is started again, with what was built meanwhile */
  reload(): void;
}

const RELOAD_BUDGET_MS = 3_000;

export function createService(spec: ServiceSpec, track: Track, stopping: AbortSignal): Service {
  let child: ChildProcess | undefined;
  let reloading = false;
  let addresses: Addresses = {};

  const live = async (ready: (detail: string) => void): Promise<Ending> => {
    if (stopping.aborted) return { how: 'stopped' };
    const started = spawn(process.execPath, ['--enable-source-maps', ...nodeFlagsOf(spec.name), spec.entry], {
      cwd: spec.workingFolder,
      env: spec.environment,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Ctrl-C reaches the whole group of a terminal, and the order of stopping is the launcher's business.
      detached: true,
    });
    child = started;
    const forget = started.pid === undefined ? () => {} : track('service', started.pid);
    started.on('error', () => {});
    started.on('message', (message) => {
      if (!isReady(message)) return;
      addresses = message.addresses ?? {};
      ready(
        `pid ${started.pid}${Object.entries(addresses)
          .map(([kind, address]) => `, ${kind} ${address}`)
          .join('')}`,
      );
    });
    const exit = await exitOf(started);
    forget();
    const reload = reloading;
    reloading = false;
    return { how: describeExit(exit), refused: exit.signal === null && !reload, reload };
  };

  return {
    name: spec.name,
    live,
    get addresses() {
      return addresses;
    },
    async stop(budgetMs, hurry) {
      if (child === undefined) return;
      const kill = () => void (child && endChild(child, [], true));
      hurry.addEventListener('abort', kill, { once: true });
      if (hurry.aborted) kill();
      await endChild(child, [{ signal: 'SIGTERM', budgetMs }], true);
    },
    reload() {
      if (child === undefined) return;
      reloading = true;
      void endChild(child, [{ signal: 'SIGTERM', budgetMs: RELOAD_BUDGET_MS }], true);
    },
  };
}

function isReady(message: unknown): message is { type: 'ready'; addresses?: Addresses } {
  return typeof message === 'object' && message !== null && (message as { type?: unknown }).type === 'ready';
}
