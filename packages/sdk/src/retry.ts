import { wait } from './backoff.js';
import { EventsieveError } from './error.js';

/** How what failed is tried again: only what may go well then, always with the same ids and bytes, until the timeout. */
export interface RetryOptions {
  /** Tries, the first among them. Default: as many as there is time for. */
  readonly maxAttempts?: number | undefined;
  /** The pause before the second try is a random part of this; each pause may be twice as long as the one before. Default: 100. */
  readonly firstPauseMs?: number | undefined;
  /** What no pause is longer than, unless the server asks for more. Default: 2000. */
  readonly longestPauseMs?: number | undefined;
}

export interface Patience {
  /** Nothing begins after it, in ms since 1970. */
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
  readonly retry: RetryOptions | boolean | undefined;
}

/** What `attempt` gives, or its last failure. Whether it is the first, the second, … is told to it. */
export async function withRetries<T>(
  attempt: (number: number) => Promise<T>,
  { untilMs, signal, retry = true }: Patience,
): Promise<T> {
  const options = typeof retry === 'object' ? retry : {};
  const mostAttempts = retry === false ? 1 : (options.maxAttempts ?? Number.POSITIVE_INFINITY);
  for (let number = 1; ; number++) {
    try {
      return await attempt(number);
    } catch (error) {
      if (!(error instanceof EventsieveError) || !error.retryable || number >= mostAttempts) throw error;
      const pauseMs = pauseBeforeNext(number, options, error.retryAfterMs);
      // To wait for nothing would only make the failure older.
      if (Date.now() + pauseMs >= untilMs) throw error;
      await wait(pauseMs, signal);
      // Timers may be late.
      if (Date.now() >= untilMs) throw error;
    }
  }
}

/** Full jitter, so that those who failed together do not come back together, and never before the server wants it. */
export function pauseBeforeNext(failures: number, options: RetryOptions, retryAfterMs = 0): number {
  const { firstPauseMs = 100, longestPauseMs = 2_000 } = options;
  const mostMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures - 1, 30));
  return retryAfterMs + Math.random() * mostMs;
}
