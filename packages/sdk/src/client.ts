import { IngestServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { QueryServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { credentials } from '@grpc/grpc-js';
import type { CallSettings, Peer } from './call.js';
import type { NewEvent, StoredEvent } from './event.js';
import { type FoundEvent, getEvent } from './get-event.js';
import { type EventPage, type ListOptions, listPages } from './list-events.js';
import { type PublishAnswer, type PublishOptions, type PublishResult, publishEvents } from './publish.js';
import { type Reconciliation, readStats, reconcile, type Stats } from './read-stats.js';

export interface ClientOptions {
  /** Where events are published. Default: 127.0.0.1:50051. */
  readonly gateway?: string | undefined;
  /** Where they are read and counted. Default: 127.0.0.1:50052. */
  readonly query?: string | undefined;
  /** What a call may take when it does not say itself. Default: 15 s, which is more than a verdict may take. */
  readonly timeoutMs?: number | undefined;
}

export interface Client {
  /** One event: its verdict. Publishing the same event again is always safe. */
  publish(event: NewEvent, options?: PublishOptions): Promise<PublishResult>;
  /** Several: one verdict each, in their order, and the sums. */
  publish(events: readonly NewEvent[], options?: PublishOptions): Promise<PublishAnswer>;
  /** Every stored event that fits, page after page. */
  list(options?: ListOptions): AsyncGenerator<StoredEvent>;
  /** The same by pages, each with the cursor of the next. */
  pages(options?: ListOptions): AsyncGenerator<EventPage>;
  /** What became of one event; undefined when its id was never seen. */
  get(topic: string, eventId: string, settings?: CallSettings): Promise<FoundEvent | undefined>;
  stats(settings?: CallSettings): Promise<Stats>;
  /** Whether everything adds up: counters, rows, broker. */
  reconcile(settings?: CallSettings): Promise<Reconciliation>;
  close(): void;
}

/** Connects at the first call, and again whenever a connection is lost. */
export function createClient(options: ClientOptions = {}): Client {
  const { gateway: gatewayUrl = '127.0.0.1:50051', query: queryUrl = '127.0.0.1:50052', timeoutMs = 15_000 } = options;
  const gateway = connect(IngestServiceClient, gatewayUrl, timeoutMs);
  const query = connect(QueryServiceClient, queryUrl, timeoutMs);

  function publish(event: NewEvent, options?: PublishOptions): Promise<PublishResult>;
  function publish(events: readonly NewEvent[], options?: PublishOptions): Promise<PublishAnswer>;
  async function publish(given: NewEvent | readonly NewEvent[], options: PublishOptions = {}) {
    if (isList(given)) return publishEvents(gateway, given, options);
    const { results } = await publishEvents(gateway, [given], options);
    return results[0];
  }

  return {
    publish,
    async *list(options = {}) {
      for await (const page of listPages(query, options)) yield* page.events;
    },
    pages: (options = {}) => listPages(query, options),
    get: (topic, eventId, settings = {}) => getEvent(query, topic, eventId, settings),
    stats: (settings = {}) => readStats(query, settings),
    reconcile: (settings = {}) => reconcile(query, settings),
    close() {
      gateway.client.close();
      query.client.close();
    },
  };
}

// Array.isArray does not know readonly arrays.
const isList = (given: NewEvent | readonly NewEvent[]): given is readonly NewEvent[] => Array.isArray(given);

type Constructor<T> = new (
  address: string,
  security: ReturnType<typeof credentials.createInsecure>,
  options: object,
) => T;

function connect<T>(Client: Constructor<T>, url: string, timeoutMs: number): Peer<T> {
  const address = url.replace(/^(?:grpc|http):\/\//i, '').replace(/\/$/, '');
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': 64 * 1024 ** 2,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 5_000,
    // The default grows to two minutes, in which a server that is back would not be tried.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1_000,
    // Which failures may be tried again, and how often, is for the caller to say.
    'grpc.enable_retries': 0,
  });
  return { client, address, timeoutMs };
}
