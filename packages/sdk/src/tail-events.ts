import { EventsieveError as ContractError } from '@eventsieve/contract/errors';
import { QueryServiceService } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { wait } from './backoff.js';
import type { Peer } from './call.js';
import { callStream } from './call-stream.js';
import { EventsieveError } from './error.js';
import { type StoredEvent, storedEventOf } from './event.js';
import { pauseBeforeNext } from './retry.js';
import { encodeTail, type TailFilter, type TailFrom } from './tail-request.js';

export interface TailOptions extends TailFilter {
  /** Where to begin. Default: `now`. */
  readonly from?: TailFrom | undefined;
  /** The loop ends with the signal's reason when it fires. */
  readonly signal?: AbortSignal | undefined;
  /** How often in a row it may fail to connect before the loop ends with that error. Default: no limit. */
  readonly maxFailures?: number | undefined;
  /** Told of each failure after which it connects again, and of how many there have been since something was heard. */
  readonly onFailure?: ((error: EventsieveError, failures: number) => void) | undefined;
}

export interface TailedEvent extends StoredEvent {
  /** Where to go on after this event. */
  readonly cursor: string;
}

/**
 * The stored events as they come: each once, in order, without a gap, also when the connection breaks meanwhile. Nothing
 * is asked for before the first event is, or `opened()`. `break` and `return()` end it.
 */
export interface Tail extends AsyncIterableIterator<TailedEvent> {
  /** Where to go on after the last event that was given. Undefined until the server has said where it begins. */
  readonly cursor: string | undefined;
  /** Resolves once the server has said where it begins: what is stored from then on will be given. */
  opened(): Promise<void>;
  /** Ends it, also while it waits. */
  return(): Promise<IteratorResult<TailedEvent>>;
  [Symbol.asyncDispose](): Promise<void>;
}

// A server with nothing to say shows every 15 s that it lives.
const usualSilenceMs = 60_000;

export interface TailSurroundings {
  readonly onEnd?: () => void;
  readonly silenceMs?: number;
}

export function tailEvents(
  query: Peer,
  options: TailOptions,
  { onEnd = () => undefined, silenceMs = usualSilenceMs }: TailSurroundings = {},
): Tail {
  const { from = 'now', signal, maxFailures = Number.POSITIVE_INFINITY, onFailure, ...filter } = options;
  const ending = new AbortController();
  const generator = follow();
  let peeked: Promise<IteratorResult<TailedEvent>> | undefined;
  let given: string | undefined;
  let told: { readonly resolve: () => void; readonly reject: (why: unknown) => void } | undefined;
  const opened = new Promise<void>((resolve, reject) => {
    told = { resolve, reject };
  });
  // Whoever iterates hears of it there.
  opened.catch(() => undefined);

  const stop = () => ending.abort();
  function end(): void {
    signal?.removeEventListener('abort', stop);
    told?.resolve();
    onEnd();
  }

  async function* follow(): AsyncGenerator<TailedEvent> {
    try {
      signal?.throwIfAborted();
      signal?.addEventListener('abort', stop, { once: true });
      yield* connectAgainAndAgain();
    } catch (error) {
      const isStopped = ending.signal.aborted && !signal?.aborted;
      if (isStopped) return;
      const reason: unknown = signal?.aborted ? signal.reason : error;
      told?.reject(reason);
      throw reason;
    } finally {
      end();
    }
  }

  async function* connectAgainAndAgain(): AsyncGenerator<TailedEvent> {
    const requests = encodeTail(filter, from);
    let at: string | undefined;
    let failures = 0;
    for (;;) {
      const request = at === undefined ? requests.first : requests.after(at);
      try {
        const settings = { signal: ending.signal, silenceMs };
        for await (const { event, cursor } of callStream(query, QueryServiceService.tailEvents, request, settings)) {
          failures = 0;
          at = cursor;
          told?.resolve();
          if (event === undefined) given = cursor;
          else yield { ...storedEventOf(event), cursor };
          ending.signal.throwIfAborted();
        }
        throw new EventsieveError(new ContractError('UNAVAILABLE', `${query.address}: the call was ended`));
      } catch (error) {
        failures++;
        const isWorthAnother = error instanceof EventsieveError && error.retryable && failures <= maxFailures;
        if (!isWorthAnother || ending.signal.aborted) throw error;
        onFailure?.(error, failures);
        await wait(pauseBeforeNext(failures, {}, error.retryAfterMs), ending.signal);
      }
    }
  }

  async function finish() {
    stop();
    end();
    peeked = undefined;
    return generator.return(undefined);
  }

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    get cursor() {
      return given;
    },
    opened() {
      if (given === undefined && peeked === undefined) {
        peeked = generator.next();
        peeked.catch(() => undefined);
      }
      return opened;
    },
    async next() {
      const taken = peeked ?? generator.next();
      peeked = undefined;
      const result = await taken;
      if (!result.done) given = result.value.cursor;
      return result;
    },
    return: finish,
    async [Symbol.asyncDispose]() {
      await finish();
    },
  };
}
