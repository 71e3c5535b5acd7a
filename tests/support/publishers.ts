import type { Event } from '@eventsieve/contract/gen/eventsieve/v1/event';
import {
  type IngestServiceClient,
  type Outcome,
  type PublishResponse,
  WaitFor,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';

export interface Planned {
  readonly topic: string;
  readonly eventId: string;
  readonly payload: string;
}

export interface Answered extends Planned {
  readonly outcome: Outcome;
}

export function eventOf({ topic, eventId, payload }: Planned, source = 'test'): Event {
  const now = Date.now();
  return {
    topic,
    eventId,
    source,
    timestamp: { seconds: BigInt(Math.floor(now / 1000)), nanos: (now % 1000) * 1_000_000 },
    payloadJson: payload,
  };
}

export function publish(
  client: IngestServiceClient,
  events: Event[],
  waitFor = WaitFor.WAIT_FOR_BROKER,
): Promise<PublishResponse> {
  return new Promise((resolve, reject) => {
    client.publish({ events, waitFor, allowPartial: false }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

/** `count` copies of which exactly round(count × rate) repeat one sent before, over three topics, in a fixed order. */
export function planCopies(count: number, repeatRate: number, run: string): Planned[] {
  const topics = ['auth', 'payment', 'orders.eu'];
  const repeats = Math.round(count * repeatRate);
  const fresh = count - repeats;
  const planned: Planned[] = [];
  for (let i = 0; i < count; i++) {
    // Spread evenly, and always a repeat of something earlier.
    const before = Math.floor((i * fresh) / count);
    const isFresh = Math.floor(((i + 1) * fresh) / count) > before || i === 0;
    const id = isFresh ? before : (i * 7919) % Math.max(1, before);
    planned.push({ topic: topics[id % 3] as string, eventId: `${run}-${id}`, payload: `{"id":${id},"amount":12.50}` });
  }
  return planned;
}

export interface LoadOptions {
  readonly connections: number;
  readonly batchSize: number;
  readonly waitFor?: WaitFor;
  readonly makeClient: () => IngestServiceClient;
  /** Errors are tried again with the same events until they are answered. */
  readonly retry?: boolean;
  readonly until?: () => boolean;
}

interface Sent {
  readonly answered: Answered[];
  readonly attempts: number;
}

/** Sends the plan over several connections; returns what was answered. */
export function sendAll(planned: readonly Planned[], options: LoadOptions): Promise<Sent> {
  const sending = send(planned, options);
  // A load runs beside a test, which hears of its end only once it waits for it.
  sending.catch(() => undefined);
  return sending;
}

async function send(planned: readonly Planned[], options: LoadOptions): Promise<Sent> {
  const { connections, batchSize, waitFor, makeClient, retry = false } = options;
  const answered: Answered[] = [];
  let next = 0;
  let attempts = 0;
  async function one(): Promise<void> {
    const client = makeClient();
    try {
      while (next < planned.length && !(options.until?.() ?? false)) {
        const batch = planned.slice(next, next + batchSize);
        next += batch.length;
        for (;;) {
          attempts += batch.length;
          try {
            const { results } = await publish(
              client,
              batch.map((each) => eventOf(each)),
              waitFor,
            );
            answered.push(...results.map(({ outcome }, index) => ({ ...(batch[index] as Planned), outcome })));
            break;
          } catch (error) {
            if (options.until?.()) break;
            if (!retry) throw error;
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
        }
      }
    } finally {
      client.close();
    }
  }
  await Promise.all(Array.from({ length: connections }, one));
  return { answered, attempts };
}
