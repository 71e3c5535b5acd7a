import { setTimeout as delay } from 'node:timers/promises';
import type { NewEvent, PublishResult } from '@eventsieve/client';
import { type Answer, ask, failureOf, headers, mayPass, parsed, publishUrl } from '../targets/http-call.js';
import { DeliveryError } from '../targets/target.js';
import type { Door, DoorOptions } from './door.js';
import { patienceMs } from './grpc-door.js';

interface Entry {
  readonly event: NewEvent;
  readonly json: string;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: Error) => void;
}

interface Answered {
  readonly outcome: PublishResult['outcome'];
  readonly first_seen_at?: string;
  readonly error?: PublishResult['error'];
}

const lingerMs = 5;
const mostBatchCharacters = 1024 ** 2;
const firstPauseMs = 100;
const longestPauseMs = 5_000;

/** The bridge, for those who have no gRPC. */
export function openHttpDoor(target: string, { wait, batch, inFlight: mostInFlight }: DoorOptions): Door {
  const url = publishUrl(target, { wait, allow_partial: 'true' });
  const giveUp = new AbortController();
  let open: Entry[] = [];
  let openCharacters = 0;
  let lingering: NodeJS.Timeout | undefined;
  let inFlight = 0;
  let isDue = false;
  let waiting: (() => void)[] = [];

  function dispatch(): void {
    clearTimeout(lingering);
    const entries = open;
    open = [];
    openCharacters = 0;
    isDue = false;
    inFlight++;
    void deliver(entries).then(() => {
      inFlight--;
      if (isDue && open.length > 0) dispatch();
      const woken = waiting;
      waiting = [];
      for (const goOn of woken) goOn();
    });
  }

  async function deliver(entries: readonly Entry[]): Promise<void> {
    try {
      const answer = await post(url, `[${entries.map(({ json }) => json).join(',')}]`, giveUp.signal);
      if (entries.length > 1 && mayBeOfOne(answer)) {
        const middle = entries.length >>> 1;
        await deliver(entries.slice(0, middle));
        await deliver(entries.slice(middle));
        return;
      }
      settle(entries, answer);
    } catch (error) {
      for (const { reject } of entries) reject(error as Error);
    }
  }

  function settle(entries: readonly Entry[], answer: Answer): void {
    const { results } = parsed(answer.text) as { results?: readonly Answered[] };
    if ((answer.status !== 200 && answer.status !== 202) || results?.length !== entries.length) {
      // Of one event alone it is the event that is refused.
      const [only] = entries;
      if (entries.length === 1 && only !== undefined && (answer.status === 400 || answer.status === 413)) {
        only.resolve(refused(only.event, '', failureOf(url, answer).message));
        return;
      }
      throw failureOf(url, answer);
    }
    entries.forEach(({ event, resolve }, index) => {
      const { outcome, first_seen_at: firstSeenAt, error } = results[index] as Answered;
      resolve({ ...nameOf(event), outcome, ...(firstSeenAt ? { firstSeenAt } : {}), ...(error ? { error } : {}) });
    });
  }

  return {
    name: url.href,
    ready() {
      return inFlight < mostInFlight ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
    },
    send(event) {
      const payload = event.payloadJson ?? '{}';
      // It goes into the body as it is, and would break it for the others.
      if (!isJson(payload)) return Promise.resolve(refused(event, 'payload', 'is not valid JSON'));
      return new Promise((resolve, reject) => {
        const json = bodyOf(event, payload);
        open.push({ event, json, resolve, reject });
        openCharacters += json.length;
        if (open.length >= batch || openCharacters >= mostBatchCharacters) dispatch();
        else if (open.length === 1) {
          lingering = setTimeout(() => {
            isDue = true;
            if (inFlight < mostInFlight) dispatch();
          }, lingerMs);
        }
      });
    },
    async close({ signal }) {
      const end = () => giveUp.abort(signal?.reason);
      signal?.addEventListener('abort', end, { once: true });
      if (signal?.aborted) end();
      if (open.length > 0) dispatch();
      while (inFlight > 0) await new Promise<void>((resolve) => waiting.push(resolve));
      signal?.removeEventListener('abort', end);
    },
  };
}

/** Again until it is answered, always the same. */
async function post(url: URL, body: string, end: AbortSignal): Promise<Answer> {
  const untilMs = Date.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    const failure = await ask(url, { method: 'POST', headers, body }, end).then(
      (answer) => (mayPass(answer.status) ? failureOf(url, answer) : answer),
      (error: unknown) => {
        if (error instanceof DeliveryError) return error;
        throw error;
      },
    );
    if (!(failure instanceof DeliveryError)) return failure;
    const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1)) * Math.random();
    const pauseMs = (failure.retryAfterMs ?? 0) + pause;
    if (end.aborted || !failure.retryable || Date.now() + pauseMs > untilMs) throw failure;
    await delay(pauseMs, undefined, { signal: end }).catch(() => undefined);
  }
}

/** Fewer may be taken: they are too many at once, or one among them cannot even be read. */
function mayBeOfOne({ status, text }: Answer): boolean {
  if (status === 413) return true;
  const { error } = parsed(text) as { error?: { fields?: readonly { field?: unknown; index?: unknown }[] } };
  return status === 400 && (error?.fields ?? []).some(({ field, index }) => index !== undefined || field === 'body');
}

const nameOf = ({ topic, eventId = '' }: NewEvent) => ({ topic, eventId });

function refused(event: NewEvent, field: string, message: string): PublishResult {
  return { ...nameOf(event), outcome: 'rejected', error: { code: 'INVALID_ARGUMENT', message, field } };
}

/** A timestamp is given here, once: the bridge wants one. */
function bodyOf({ topic, eventId, source, timestamp = new Date() }: NewEvent, payload: string): string {
  const time = timestamp instanceof Date ? timestamp.toISOString() : timestamp;
  const head = JSON.stringify({ topic, event_id: eventId, source, timestamp: time });
  return `${head.slice(0, -1)},"payload":${payload}}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
