// Compiled with the workspace, and by tests/sdk-package.test.ts against the tarball. Nothing of it is run.
import {
  type Client,
  type ClientOptions,
  type Counts,
  createClient,
  type DeadLetter,
  type Duplicates,
  EventsieveError,
  type FoundEvent,
  type Health,
  type JsonObject,
  type NewEvent,
  type PublishAnswer,
  type PublishResult,
  type StoredEvent,
  type Tail,
  type TailedEvent,
  type TailOptions,
} from '@eventsieve/client';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<_ extends true>(): void {}

export async function asWritten(client: Client, events: readonly NewEvent[]): Promise<void> {
  const one = await client.publish({ topic: 't', eventId: 'e', source: 's', timestamp: new Date(), payload: { n: 1 } });
  const many = await client.publish(events, { wait: 'broker', timeoutMs: 100 });
  same<Same<typeof one, PublishResult>>();
  same<Same<typeof many, PublishAnswer>>();
  same<
    Same<PublishResult['outcome'], 'accepted' | 'stored' | 'duplicate' | 'conflict' | 'rejected' | 'dead_lettered'>
  >();

  for await (const event of client.list({ topic: 'a.*', order: 'desc', payload: { a: 1 } })) {
    same<Same<typeof event, StoredEvent>>();
    same<Same<typeof event.payload, JsonObject>>();
    same<Same<typeof event.position, bigint>>();
  }
  for await (const { events: listed, nextCursor, stopped } of client.pages()) {
    same<Same<typeof listed, readonly StoredEvent[]>>();
    same<Same<typeof nextCursor, string | undefined>>();
    same<Same<typeof stopped, boolean>>();
  }
  const tail: Tail = client.tail({ from: { cursor: 'c' }, signal: AbortSignal.timeout(1) });
  await tail.opened();
  for await (const event of tail) {
    same<Same<typeof event, TailedEvent>>();
    same<Same<typeof event.cursor, string>>();
  }

  const found = await client.get('t', 'e');
  same<Same<typeof found, FoundEvent | undefined>>();
  if (found?.status === 'stored') same<Same<typeof found.event, StoredEvent>>();
  if (found?.status === 'expired') same<Same<typeof found.position, bigint>>();

  const { lifetime, received } = await client.stats({ timeoutMs: 1 });
  same<Same<typeof lifetime, Counts>>();
  same<Same<typeof received, number>>();
  for await (const { name, uniqueProcessed } of client.statsBy('source', { topic: 't' })) {
    same<Same<[typeof name, typeof uniqueProcessed], [string, number]>>();
  }
  const { points } = await client.statsSeries({ step: '1h', from: '2024-01-01T00:00:00Z', to: new Date() });
  same<Same<(typeof points)[number]['begin'], string>>();
  const duplicates = await client.duplicates({ limit: 10 });
  same<Same<typeof duplicates, Duplicates>>();
  const { deadLetters } = client;
  for await (const letter of deadLetters.list({ state: 'open' })) same<Same<typeof letter, DeadLetter>>();
  const whole = await deadLetters.get(1n);
  same<Same<typeof whole extends undefined | { body: infer Body } ? Body : never, Uint8Array>>();
  const { results } = await deadLetters.redrive([1n, 2n], { dryRun: true });
  same<Same<(typeof results)[number]['position'], bigint>>();
  await deadLetters.discard({ topic: 't' }, { limit: 1 });
  const erasure = await client.erase('t', 'e');
  same<Same<typeof erasure, { readonly erased: number } | undefined>>();
  const health = await client.health();
  same<Same<typeof health, Health>>();
  same<Same<Health['query']['status'], 'serving' | 'not_serving' | 'unreachable'>>();
  await client.close();
}

export function ofErrors(error: unknown): string | undefined {
  if (!(error instanceof EventsieveError)) return undefined;
  same<Same<typeof error.retryable, boolean>>();
  same<Same<typeof error.retryAfterMs, number | undefined>>();
  return error.fields.map(({ index, field, message }) => `${index ?? ''}${field}${message}`).join();
}

// With exactOptionalPropertyTypes, too, what is undefined may be passed on as it is.
export const passedOn = (topic: string | undefined, tls: boolean | undefined) =>
  createClient({ tls } satisfies ClientOptions).tail({ topic, from: undefined } satisfies TailOptions);
