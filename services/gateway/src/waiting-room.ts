import { EventsieveError } from '@eventsieve/contract/errors';
import { tooManyBytes } from './refusals.js';

/** What waits for room. */
export interface Attempt<T> {
  /** Of one kind whoever came first goes first; no kind waits behind another. */
  readonly kind: 'broker' | 'stored';
  /** What it keeps in memory meanwhile. */
  readonly bytes: number;
  /** Throws RESOURCE_EXHAUSTED while there is no room. */
  readonly tryNow: () => T;
  readonly untilMs: number;
  /** Why it is not worth while any more. */
  readonly over: () => EventsieveError | undefined;
}

export interface WaitingRoom {
  /** What `tryNow` gives, as soon as there is room; its refusal when the time is up first. */
  whenRoom<T>(attempt: Attempt<T>): Promise<T>;
}

interface Waiting extends Attempt<unknown> {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const lookEveryMs = 10;

/**
 * Where requests of streams wait instead of being refused. One timer looks for all of them, and of each kind tries no
 * more than the first that finds no room: to be refused is not cheap.
 */
export function createWaitingRoom(maxBytes: number): WaitingRoom {
  let waiting: Waiting[] = [];
  let bytes = 0;

  function look(): void {
    const full = new Set<string>();
    waiting = waiting.filter((each) => {
      if (settle(each, full.has(each.kind))) {
        bytes -= each.bytes;
        return false;
      }
      full.add(each.kind);
      return true;
    });
    if (waiting.length > 0) setTimeout(look, lookEveryMs);
  }

  return {
    whenRoom: <T>(attempt: Attempt<T>) =>
      new Promise<T>((resolve, reject) => {
        const each: Waiting = { ...attempt, resolve: (value) => resolve(value as T), reject };
        const behind = waiting.some(({ kind }) => kind === attempt.kind);
        if (settle(each, behind)) return;
        if (bytes > 0 && bytes + attempt.bytes > maxBytes) return reject(tooManyBytes());
        bytes += attempt.bytes;
        waiting.push(each);
        if (waiting.length === 1) setTimeout(look, lookEveryMs);
      }),
  };
}

/** Whether it need not wait on. */
function settle({ tryNow, untilMs, over, resolve, reject }: Waiting, full: boolean): boolean {
  const why = over();
  if (why !== undefined) {
    reject(why);
    return true;
  }
  const late = Date.now() >= untilMs;
  if (full && !late) return false;
  try {
    resolve(tryNow());
  } catch (error) {
    if (isPressure(error) && !late) return false;
    reject(error);
  }
  return true;
}

function isPressure(error: unknown): boolean {
  return error instanceof EventsieveError && error.code === 'RESOURCE_EXHAUSTED';
}
