import type { Outcome } from '@eventsieve/client';
import {
  type Copy,
  DeliveryError,
  requestTimeoutMs,
  sourceOf,
  type Target,
  type TargetOptions,
  type Verdicts,
} from './target.js';

/** The bridge. The URL may end in /publish or not. */
export function openHttpTarget({ target, wait, run }: TargetOptions): Target {
  const url = publishUrl(target, wait);
  const source = sourceOf(run);
  return {
    name: `${url.href} (HTTP)`,
    async send(copies, sentAt) {
      const answer = await ask(url, { method: 'POST', headers, body: bodyOf(copies, source, sentAt) });
      if (answer.status === 200 || answer.status === 202) return verdictsOf(answer.text, url);
      throw failureOf(url, answer);
    },
    async lookUp({ topic, eventId }) {
      const place = `events/${encodeURIComponent(topic)}/${encodeURIComponent(eventId)}`;
      const answer = await ask(new URL(place, url), {});
      if (answer.status === 404) return 'never_seen';
      const { status } = parsed(answer.text) as { status?: string };
      if (answer.status !== 200) throw failureOf(url, answer);
      if (status === 'dead_lettered' || status === 'pending') return status;
      return 'stored';
    },
    // fetch keeps its connections to itself, and lets the process end.
    close: () => undefined,
  };
}

const headers = { 'content-type': 'application/json' };

function publishUrl(address: string, wait: string): URL {
  const url = new URL(address);
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith('/publish') ? path : `${path}/publish`;
  url.searchParams.set('wait', wait);
  return url;
}

/** Put together by hand, so that the payloads stay the texts that they are. */
function bodyOf(copies: readonly Copy[], source: string, sentAt: Date): string {
  const rest = `"source":${JSON.stringify(source)},"timestamp":"${sentAt.toISOString()}"`;
  const events = copies.map(
    ({ topic, eventId, payloadJson }) =>
      `{"topic":${JSON.stringify(topic)},"event_id":${JSON.stringify(eventId)},${rest},"payload":${payloadJson}}`,
  );
  return `[${events.join(',')}]`;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly retryAfterMs: number | undefined;
}

async function ask(url: URL, request: RequestInit): Promise<Answer> {
  try {
    const response = await fetch(url, { ...request, signal: AbortSignal.timeout(requestTimeoutMs) });
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    return {
      status: response.status,
      text: await response.text(),
      retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
    };
  } catch (error) {
    const { name, message, cause } = error as Error & { cause?: { code?: string; message?: string } };
    const timedOut = name === 'TimeoutError';
    const reason = timedOut
      ? `no answer within ${requestTimeoutMs / 1000} s`
      : (cause?.code ?? cause?.message ?? message);
    throw new DeliveryError(`${url.host} cannot be reached: ${reason}`, { retryable: true, timedOut, cause: error });
  }
}

function failureOf(url: URL, { status, text, retryAfterMs }: Answer): DeliveryError {
  const { error } = parsed(text) as { error?: { message?: string } };
  return new DeliveryError(`${url.host} answered ${status}: ${error?.message ?? text.slice(0, 100)}`, {
    retryable: status === 429 || status === 502 || status === 503 || status === 504,
    timedOut: false,
    retryAfterMs,
  });
}

function verdictsOf(text: string, url: URL): Verdicts {
  const { received, accepted, inserted, duplicates, conflicts, results } = parsed(text) as Partial<Verdicts> & {
    results?: readonly { readonly outcome: Outcome }[];
  };
  if (
    received === undefined ||
    accepted === undefined ||
    inserted === undefined ||
    duplicates === undefined ||
    !results
  ) {
    throw new DeliveryError(`${url.host} does not answer like eventsieve: ${text.slice(0, 100)}`, {
      retryable: false,
      timedOut: false,
    });
  }
  const outcomes = results.map(({ outcome }) => outcome);
  return { received, accepted, inserted, duplicates, conflicts: conflicts ?? 0, outcomes };
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
