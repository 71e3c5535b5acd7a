import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endChild, type Track } from '@eventsieve/embedded/child';
import type { Percentiles } from './latencies.js';

/** Followers over HTTP, all of the same stream. */
export interface FollowerPlan {
  readonly count: number;
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

export interface FollowerResult {
  readonly open: number;
  /** Given to all of them together, and to the one that was given the least and the most. */
  readonly events: number;
  readonly least: number;
  readonly most: number;
  /** From the broker's timestamp to the follower, of one of them. */
  readonly latency: Percentiles;
}

export interface Followers {
  /** Opens more, and resolves when each has its headers. */
  open(plan: FollowerPlan): Promise<FollowerResult>;
  /** Counts anew. */
  begin(): Promise<FollowerResult>;
  count(): Promise<FollowerResult>;
  stop(): Promise<void>;
}

export function startFollowers(track: Track): Followers {
  const main = fileURLToPath(new URL('./followers-main.js', import.meta.url));
  const child = fork(main, [], { detached: true, execArgv: [] });
  const forget = track('service', child.pid as number);
  const ended = once(child, 'exit').then(() => {
    throw new Error('the following process ended by itself');
  });
  ended.catch(() => undefined);

  async function ask(message: FollowerPlan | 'count' | 'begin'): Promise<FollowerResult> {
    child.send(message);
    const [{ result, problem }] = (await Promise.race([once(child, 'message'), ended])) as [
      { result?: FollowerResult; problem?: string },
    ];
    if (result === undefined) throw new Error(`the followers could not follow: ${problem}`);
    return result;
  }

  return {
    open: ask,
    begin: () => ask('begin'),
    count: () => ask('count'),
    async stop() {
      await endChild(child, [{ signal: 'SIGTERM', budgetMs: 1_000 }]);
      forget();
    },
  };
}
