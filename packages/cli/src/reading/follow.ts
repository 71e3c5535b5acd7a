import { setTimeout as delay } from 'node:timers/promises';
import { type Client, EventsieveError, type TailedEvent, type TailFrom, type TailOptions } from '@eventsieve/client';

export interface FollowWatch {
  /** The connection broke, and is tried again until it is there. */
  readonly broken: (error: EventsieveError) => void;
  readonly back: () => void;
}

export interface Following extends AsyncIterable<TailedEvent> {
  /** Where to go on after the last event that was given; undefined while nobody knows. */
  readonly cursor: string | undefined;
}

const firstPauseMs = 100;
const longestPauseMs = 5_000;

/**
 * A tail that fails when the server is not there at the first, and says when it goes away later. One of the client's own
 * would wait in silence.
 */
export function follow(client: Pick<Client, 'tail'>, options: TailOptions, watch: FollowWatch): Following {
  const { from = 'now', signal } = options;
  const isTime = from instanceof Date || (typeof from === 'string' && from !== 'now' && from !== 'start');
  let cursor: string | undefined;
  let opened = false;
  let given = false;
  let failures = 0;

  async function* events(): AsyncGenerator<TailedEvent> {
    for (let at: TailFrom = from; ; ) {
      const tail = client.tail({ ...options, from: at, maxFailures: 0 });
      try {
        await tail.opened();
        opened = true;
        if (failures > 0) watch.back();
        failures = 0;
        for await (const event of tail) {
          given = true;
          yield event;
        }
        return;
      } catch (error) {
        if (signal?.aborted || !opened || !(error instanceof EventsieveError) || !error.retryable) throw error;
        if (++failures === 1) watch.broken(error);
        const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures, 10));
        await delay((error.retryAfterMs ?? 0) + pauseMs * (0.5 + Math.random() / 2), undefined, { signal });
      } finally {
        // Of a time: a cursor from before its first event would begin with older ones.
        if (given || !isTime) cursor = tail.cursor ?? cursor;
      }
      if (cursor !== undefined) at = { cursor };
    }
  }

  return {
    [Symbol.asyncIterator]: events,
    get cursor() {
      return cursor;
    },
  };
}
