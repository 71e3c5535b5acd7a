import { IngestServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { QueryServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { CallSettings } from './call.js';
import { type ConnectOptions, connect } from './connect.js';
import type { NewEvent, StoredEvent } from './event.js';
import { type FoundEvent, getEvent } from './get-event.js';
import { type EventPage, type ListOptions, listPages } from './list-events.js';
import type { ProducerOptions } from './producer/options.js';
import { createProducer, type Producer } from './producer/producer.js';
import { type PublishAnswer, type PublishOptions, type PublishResult, publishEvents } from './publish.js';
import { type Reconciliation, readStats, reconcile, type Stats } from './read-stats.js';

export interface ClientOptions extends ConnectOptions {
  /** Where events are published. Default: 127.0.0.1:50051. */
  readonly gateway?: string | undefined;
  /** Where they are read and counted. Default: 127.0.0.1:50052. */
  readonly query?: string | undefined;
}

export interface Client {
  /** One event: its verdict. Publishing the same event again is always safe. */
  publish(event: NewEvent, options?: PublishOptions): Promise<PublishResult>;
  /** Several: one verdict each, in their order, and the sums. */
  publish(events: readonly NewEvent[], options?: PublishOptions): Promise<PublishAnswer>;
  /** Sends events one by one, in batches that it makes itself. */
  producer(options?: ProducerOptions): Producer;
  /** Every stored event that fits, page after page. */
  list(options?: ListOptions): AsyncGenerator<StoredEvent>;
  /** The same by pages, each with the cursor of the next. */
  pages(options?: ListOptions): AsyncGenerator<EventPage>;
  /** What became of one event; undefined when its id was never seen. */
  get(topic: string, eventId: string, settings?: CallSettings): Promise<FoundEvent | undefined>;
  stats(settings?: CallSettings): Promise<Stats>;
  /** Whether everything adds up: counters, rows, broker. */
  reconcile(settings?: CallSettings): Promise<Reconciliation>;
  /** Closes its producers, which send what they hold first, and then its connections. */
  close(): Promise<void>;
}

/** Connects at the first call, and again whenever a connection is lost. */
export function createClient(options: ClientOptions = {}): Client {
  const { gateway: gatewayUrl = '127.0.0.1:50051', query: queryUrl = '127.0.0.1:50052', ...connection } = options;
  const gateway = connect(IngestServiceClient, gatewayUrl, connection);
  const query = connect(QueryServiceClient, queryUrl, connection);

  function publish(event: NewEvent, options?: PublishOptions): Promise<PublishResult>;
  function publish(events: readonly NewEvent[], options?: PublishOptions): Promise<PublishAnswer>;
  async function publish(given: NewEvent | readonly NewEvent[], options: PublishOptions = {}) {
    if (isList(given)) return publishEvents(gateway, given, options);
    const { results } = await publishEvents(gateway, [given], options);
    return results[0];
  }

  const producers = new Set<Producer>();
  return {
    publish,
    producer(options) {
      const producer = createProducer(gateway, options, () => producers.delete(producer));
      producers.add(producer);
      return producer;
    },
    async *list(options = {}) {
      for await (const page of listPages(query, options)) yield* page.events;
    },
    pages: (options = {}) => listPages(query, options),
    get: (topic, eventId, settings = {}) => getEvent(query, topic, eventId, settings),
    stats: (settings = {}) => readStats(query, settings),
    reconcile: (settings = {}) => reconcile(query, settings),
    async close() {
      query.client.close();
      if (producers.size > 0) await Promise.all([...producers].map((producer) => producer.close()));
      gateway.client.close();
    },
  };
}

// Array.isArray does not know readonly arrays.
const isList = (given: NewEvent | readonly NewEvent[]): given is readonly NewEvent[] => Array.isArray(given);
