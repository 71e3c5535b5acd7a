import { setTimeout as delay } from 'node:timers/promises';

export interface Part {
  name: string;
  /** one life: calls `ready` once it serves, and resolves with how it ended */
  live(ready: (detail: string) => void): Promise<Ending>;
}

export interface Ending {
  how: string;
  /** refused to start for a reason that another try would not change */
  refused?: boolean;
  /** asked for, so it is started again at once and without a fuss */
  reload?: boolean;
}

export interface KeptPart {
  name: string;
  /** settles with its first life: rejects when the part refuses to start */
  firstReady: Promise<void>;
  /** resolves when it has ended for good */
  over: Promise<void>;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const STABLE_AFTER_MS = 10_000;

/** Starts a part again whenever it ends, until `stopping`. */
export function keepUp(part: Part, say: (line: string) => void, stopping: AbortSignal): KeptPart {
  let settleFirst: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const firstReady = new Promise<void>((resolve, reject) => {
    settleFirst = { resolve, reject };
  });
  firstReady.catch(() => {});

  const run = async () => {
    let pauseMs = FIRST_PAUSE_MS;
    let everReady = false;
    while (!stopping.aborted) {
      let readyAt: number | undefined;
      const ending = await part.live((detail) => {
        readyAt = Date.now();
        if (everReady) say(`${part.name} is up again (${detail})`);
        everReady = true;
        settleFirst?.resolve();
      });
      if (stopping.aborted) break;
      if (!everReady && ending.refused) {
        settleFirst?.reject(new Error(`${part.name} could not start (${ending.how}).`));
        return;
      }
      if (ending.reload || (readyAt !== undefined && Date.now() - readyAt > STABLE_AFTER_MS)) pauseMs = FIRST_PAUSE_MS;
      if (ending.reload) say(`${part.name} has changed, starting it again`);
      else say(`${part.name} ended (${ending.how}), starting it again in ${pauseMs / 1000} s`);
      await delay(pauseMs, undefined, { signal: stopping }).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
    settleFirst?.reject(new Error('stopped'));
  };
  return { name: part.name, firstReady, over: run() };
}
