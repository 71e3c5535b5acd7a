import { type Copy, DeliveryError, requestTimeoutMs, type Target, type Verdicts } from './target.js';

/** The bridge. The URL may end in /publish or not. */
export function openHttpTarget(address: string, wait: 'broker' | 'stored', source: string): Target {
  const url = publishUrl(address, wait);
  return {
    name: `${url.href} (HTTP)`,
    async send(copies, sentAt) {
      const { status, text, retryAfterMs } = await post(url, bodyOf(copies, source, sentAt));
      if (status === 200 || status === 202) return verdictsOf(text, url);
      throw new DeliveryError(`${url.host} answered ${status}: ${messageIn(text)}`, {
        retryable: status === 429 || status === 502 || status === 503 || status === 504,
        timedOut: false,
        retryAfterMs,
      });
    },
    // fetch keeps its connections to itself, and lets the process end.
    close: () => undefined,
  };
}

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

async function post(url: URL, body: string) {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
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

function verdictsOf(text: string, url: URL): Verdicts {
  const { received, accepted, inserted, duplicates, conflicts, results } = parsed(text) as Partial<Verdicts> & {
    results?: readonly { readonly outcome?: string }[];
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
  const count = (wanted: string) => results.filter(({ outcome }) => outcome === wanted).length;
  return {
    received,
    accepted,
    inserted,
    duplicates,
    conflicts: conflicts ?? 0,
    deadLettered: count('dead_lettered'),
    undecided: count('accepted'),
  };
}

function messageIn(text: string): string {
  const { error } = parsed(text) as { error?: { message?: string } };
  return error?.message ?? text.slice(0, 100);
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
