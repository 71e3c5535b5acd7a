import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endChild, type Track } from '@eventsieve/embedded/child';

export type NoopDoor = 'grpc' | 'http';

export interface Noop {
  /** As a load's target. */
  readonly address: string;
  stop(): Promise<void>;
}

export async function startNoop(door: NoopDoor, track: Track): Promise<Noop> {
  const main = fileURLToPath(new URL('./noop-main.js', import.meta.url));
  const child = fork(main, [door], { detached: true, execArgv: [] });
  const forget = track('service', child.pid as number);
  const [address] = (await once(child, 'message')) as [string];
  return {
    address,
    async stop() {
      await endChild(child, [{ signal: 'SIGTERM', budgetMs: 1_000 }]);
      forget();
    },
  };
}
