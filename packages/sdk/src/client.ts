import type { CallSettings } from './call.js';
import { checkHealth, type Health } from './check-health.js';
import { type ConnectOptions, connect } from './connect.js';
import { EventsieveError, withoutIndex } from './error.js';
import type { NewEvent } from './event.js';
import type { ProducerOptions } from './producer/options.js';
import { createProducer, type Producer } from './producer/producer.js';
import { type PublishAnswer, type PublishOptions, type PublishResult, publishEvents } from './publish.js';
import { createReader, type Reader } from './reader.js';

export interface ClientOptions extends ConnectOptions {
  /** Where events are published. Default: 127.0.0.1:50051. */
  readonly gateway?: string | undefined;
  /** Where they are read and counted. Default: 127.0.0.1:50052. */
  readonly query?: string | undefined;
}

export interface Client extends Reader {
  /** One event: its verdict. Publishing the same event again is always safe. */
  publish(event: NewEvent, options?: PublishOptions): Promise<PublishResult>;
  /** Several: one verdict each, in their order, and the sums. */
  publish(events: readonly NewEvent[], options?: PublishOptions): Promise<PublishAnswer>;
  /** Sends events one by one, in batches that it makes itself. */
  producer(options?: ProducerOptions): Producer;
  /** Whether both servers serve. */
  health(settings?: CallSettings): Promise<Health>;
  /** Closes its producers, which send what they hold first (or until the signal fires), and then its connections. */
  close(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

/** Connects at the first call, and again whenever a connection is lost. */
export function createClient(options: ClientOptions = {}): Client {
  const { gateway: gatewayUrl = '127.0.0.1:50051', query: queryUrl = '127.0.0.1:50052', ...connection } = options;
  const gateway = connect(gatewayUrl, connection);
  const query = connect(queryUrl, connection);

  function publish(event: NewEvent, options?: PublishOptions): Promise<PublishResult>;
  function publish(events: readonly NewEvent[], options?: PublishOptions): Promise<PublishAnswer>;
  async function publish(given: NewEvent | readonly NewEvent[], options: PublishOptions = {}) {
    if (isList(given)) return publishEvents(gateway, given, options);
    const { results } = await publishEvents(gateway, [given], options).catch((error: unknown) => {
      throw error instanceof EventsieveError ? withoutIndex(error) : error;
    });
    return results[0];
  }

  const producers = new Set<Producer>();
  const { endTails, ...reader } = createReader(query);
  return {
    publish,
    producer(options) {
      const producer = createProducer(gateway, options, () => producers.delete(producer));
      producers.add(producer);
      return producer;
    },
    ...reader,
    health: (settings = {}) => checkHealth(gateway, query, settings),
    async close(options = {}) {
      endTails();
      query.client.close();
      if (producers.size > 0) await Promise.all([...producers].map((producer) => producer.close(options)));
      gateway.client.close();
    },
  };
}

// Array.isArray does not know readonly arrays.
const isList = (given: NewEvent | readonly NewEvent[]): given is readonly NewEvent[] => Array.isArray(given);
