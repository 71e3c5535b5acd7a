import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { Order, type QueryServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { type StoredEvent, storedEventOf } from './event.js';

export interface EventFilter {
  /** Only this topic, exactly. */
  readonly topic?: string | undefined;
  /** Only this source, exactly. */
  readonly source?: string | undefined;
  /** `asc` (default): in the order in which the events were received. */
  readonly order?: 'asc' | 'desc' | undefined;
  /** Where to go on: nextCursor of a page. */
  readonly cursor?: string | undefined;
}

export interface ListOptions extends EventFilter, CallSettings {
  /** Events fetched at a time, 1 to 1000. */
  readonly pageSize?: number | undefined;
}

export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** Absent at the end. */
  readonly nextCursor?: string;
}

export async function* listPages(query: Peer<QueryServiceClient>, options: ListOptions): AsyncGenerator<EventPage> {
  let page = await readPage(query, options);
  for (;;) {
    yield page;
    if (page.nextCursor === undefined) return;
    page = await readPage(query, { ...options, cursor: page.nextCursor });
  }
}

const defaultPageSize = 500;

async function readPage(
  query: Peer<QueryServiceClient>,
  { topic = '', source = '', order, cursor = '', pageSize = defaultPageSize, ...settings }: ListOptions,
): Promise<EventPage> {
  const request = {
    topic,
    source,
    limit: pageSize,
    cursor,
    order: order === 'desc' ? Order.ORDER_DESC : Order.ORDER_ASC,
    payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON,
    topicExact: '',
    eventId: '',
    receivedFrom: undefined,
    receivedTo: undefined,
    from: undefined,
    to: undefined,
    payload: '',
  };
  const { events, nextCursor } = await callUnary(query, query.client.listEvents, request, settings);
  return { events: events.map(storedEventOf), ...(nextCursor === '' ? {} : { nextCursor }) };
}
