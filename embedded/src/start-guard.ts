import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endsWithin, type Track } from './child.js';
import type { GuardMessage } from './guard-protocol.js';
import { type Identity, identityOf } from './processes.js';

export interface Guard {
  track: Track;
  /** once everything that it watches has ended */
  close(): Promise<void>;
}

const AGAIN_AFTER_MS = 500;

/** Ends what this process has started, should this process be killed so that it cannot. */
export function startGuard(onStart: (guard: Identity | undefined) => void = () => {}): Guard {
  // Run from source (tests), the guard still has to be a file that Node can run.
  const file = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? '../dist/guard.js' : './guard.js', import.meta.url),
  );
  const watched = new Map<number, GuardMessage & { type: 'watch' }>();
  let guard: ChildProcess | undefined;
  let closed = false;

  const send = (message: GuardMessage) => {
    if (guard?.connected) guard.send(message, () => {});
  };
  const start = () => {
    if (closed) return;
    // execArgv: a debugger's or a test runner's options are not for it
    guard = fork(file, [], { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'], execArgv: [], cwd: '/' });
    guard.unref();
    guard.channel?.unref();
    guard.on('error', () => {});
    guard.once('exit', () => setTimeout(start, AGAIN_AFTER_MS).unref());
    for (const message of watched.values()) send(message);
    onStart(guard.pid === undefined ? undefined : identityOf(guard.pid));
  };
  start();

  return {
    track(kind, pid) {
      const identity = identityOf(pid);
      if (identity === undefined) return () => {};
      const message = { type: 'watch', kind, identity } as const;
      watched.set(pid, message);
      send(message);
      return () => {
        if (watched.get(pid) === message) watched.delete(pid);
        send({ type: 'forget', identity });
      };
    },
    async close() {
      closed = true;
      if (guard === undefined) return;
      if (guard.connected) guard.disconnect();
      await endsWithin(guard, 2_000);
    },
  };
}
