import type { Logger } from '@eventsieve/runtime/logger';

/** Something that is done beside the way of an event, in small steps. */
export interface Chore {
  readonly name: string;
  readonly everyMs: number;
  /** Does one step, under a lock of its own so that one worker does it at a time. True when more waits to be done. */
  step(): Promise<boolean>;
}

export interface Keeper {
  stop(): Promise<void>;
}

// So many times as long as a step has taken is left to those who store and read before the next one.
const restAfterStep = 4;
const leastRestMs = 20;

/** Does each chore again and again. One that fails is tried again at its next time, and said once for each reason. */
export function startKeeper(chores: readonly Chore[], logger: Logger): Keeper {
  let stopped = false;
  const running = new Set<Promise<void>>();
  const timers = new Map<Chore, NodeJS.Timeout>();
  const saidOf = new Map<Chore, string>();

  async function run(chore: Chore): Promise<void> {
    let waitMs = chore.everyMs;
    const begunAtMs = performance.now();
    try {
      const more = await chore.step();
      if (more) waitMs = Math.max(leastRestMs, (performance.now() - begunAtMs) * restAfterStep);
      saidOf.delete(chore);
    } catch (error) {
      const why = String(error);
      if (!stopped && saidOf.get(chore) !== why) logger.warn({ err: error }, `${chore.name} failed, trying on`);
      saidOf.set(chore, why);
    }
    if (!stopped) schedule(chore, waitMs);
  }

  function schedule(chore: Chore, waitMs: number): void {
    const start = () => {
      const work = run(chore).finally(() => running.delete(work));
      running.add(work);
    };
    timers.set(chore, setTimeout(start, waitMs));
  }

  for (const chore of chores) schedule(chore, chore.everyMs);

  return {
    async stop() {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(running);
    },
  };
}
