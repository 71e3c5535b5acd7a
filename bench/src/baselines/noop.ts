import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endChild, type Track } from '@eventsieve/embedded/child';

export interface Noop {
  readonly grpc: string;
  readonly http: string;
  stop(): Promise<void>;
}

export async function startNoop(track: Track): Promise<Noop> {
  const child = fork(fileURLToPath(new URL('./noop-main.js', import.meta.url)), [], { detached: true, execArgv: [] });
  const forget = track('service', child.pid as number);
  const [addresses] = (await once(child, 'message')) as [{ grpc: string; http: string }];
  return {
    ...addresses,
    async stop() {
      await endChild(child, [{ signal: 'SIGTERM', budgetMs: 1_000 }]);
      forget();
    },
  };
}
