import { type RetryOptions, withRetries } from './retry.js';

interface Page {
  readonly nextCursor?: string;
}

export interface ReadPagesOptions {
  /** Where to go on: nextCursor of a page. */
  readonly cursor?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How a page that breaks off is asked for again, for half a minute at most. Default: with pauses of up to a second. */
  readonly retry?: RetryOptions | boolean | undefined;
}

// Longer than a service takes to start again.
const patienceMs = 30_000;
const usualRetry: RetryOptions = { longestPauseMs: 1_000 };

/** Page after page. What breaks off is asked for again, from the same cursor. */
export async function* readPages<P extends Page>(
  read: (cursor: string) => Promise<P>,
  { cursor = '', signal, retry = usualRetry }: ReadPagesOptions,
): AsyncGenerator<P> {
  for (let next: string | undefined = cursor; next !== undefined; ) {
    const at: string = next;
    const page = await withRetries(() => read(at), { untilMs: Date.now() + patienceMs, signal, retry });
    yield page;
    next = page.nextCursor;
  }
}
