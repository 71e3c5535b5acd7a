import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endChild, type Track } from '@eventsieve/embedded/child';
import type { LoadPlan, LoadResult } from './plan.js';

export interface Loader {
  run(plan: LoadPlan): Promise<LoadResult>;
  stop(): Promise<void>;
}

export function startLoader(track: Track): Loader {
  const child = fork(fileURLToPath(new URL('./load-main.js', import.meta.url)), [], { detached: true, execArgv: [] });
  const forget = track('service', child.pid as number);
  const ended = once(child, 'exit').then(() => {
    throw new Error('the loading process ended by itself');
  });
  ended.catch(() => undefined);
  return {
    async run(plan) {
      child.send(plan);
      const [{ result, problem }] = (await Promise.race([once(child, 'message'), ended])) as [
        { result?: LoadResult; problem?: string },
      ];
      if (result === undefined) throw new Error(`the load could not run: ${problem}`);
      return result;
    },
    async stop() {
      await endChild(child, [{ signal: 'SIGTERM', budgetMs: 1_000 }]);
      forget();
    },
  };
}
