import type { Outcome } from '@eventsieve/client';
import { ask, failureOf, headers, parsed, publishUrl } from './http-call.js';
import {
  type Copy,
  type CountedRepeats,
  DeliveryError,
  type Held,
  pageSize,
  sourceOf,
  type Target,
  type TargetOptions,
  type Verdicts,
} from './target.js';

/** The bridge. The URL may end in /publish or not. */
export function openHttpTarget({ target, wait, run }: TargetOptions): Target {
  const url = publishUrl(target, { wait });
  const source = sourceOf(run);
  return {
    name: `${url.href} (HTTP)`,
    async send(copies, sentAt) {
      const answer = await ask(url, { method: 'POST', headers, body: bodyOf(copies, source, sentAt) });
      if (answer.status === 200 || answer.status === 202) return verdictsOf(answer.text, url);
      throw failureOf(url, answer);
    },
    held: () => heldOf(url, source),
    countedRepeats: () => countedRepeatsOf(url, source),
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

/** Put together by hand, so that the payloads stay the texts that they are. */
function bodyOf(copies: readonly Copy[], source: string, sentAt: Date): string {
  const rest = `"source":${JSON.stringify(source)},"timestamp":"${sentAt.toISOString()}"`;
  const events = copies.map(
    ({ topic, eventId, payloadJson }) =>
      `{"topic":${JSON.stringify(topic)},"event_id":${JSON.stringify(eventId)},${rest},"payload":${payloadJson}}`,
  );
  return `[${events.join(',')}]`;
}

async function read<T>(url: URL, path: string, query: Readonly<Record<string, string>>): Promise<T> {
  const asked = new URL(path, url);
  asked.search = new URLSearchParams(query).toString();
  const answer = await ask(asked, {});
  if (answer.status !== 200) throw failureOf(url, answer);
  return parsed(answer.text) as T;
}

async function* heldOf(url: URL, source: string): AsyncGenerator<readonly Held[]> {
  type Page = { events?: { topic: string; event_id: string; payload: Held['payload'] }[]; next_cursor?: string | null };
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const from: Record<string, string> = cursor === '' ? {} : { cursor };
    const page: Page = await read(url, 'events', { source, limit: String(pageSize), ...from });
    yield (page.events ?? []).map(({ topic, event_id: eventId, payload }) => ({ topic, eventId, payload }));
    cursor = page.next_cursor ?? undefined;
  }
}

async function countedRepeatsOf(url: URL, source: string): Promise<CountedRepeats> {
  type Answered = { sources?: { topic: string; duplicate_dropped: number; conflicts: number }[]; behind?: number };
  const { sources = [], behind = 0 } = await read<Answered>(url, 'duplicates', { source, limit: String(pageSize) });
  const byTopic = sources.map(
    ({ topic, duplicate_dropped: duplicates, conflicts }) => [topic, { duplicates, conflicts }] as const,
  );
  return { byTopic: new Map(byTopic), behind };
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
