import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { Order, QueryServiceService } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { type EventFilter, encodeFilter } from './encode-filter.js';
import { type StoredEvent, storedEventOf } from './event.js';
import { type ReadPagesOptions, readPages } from './read-pages.js';

export interface ListOptions extends EventFilter, CallSettings, ReadPagesOptions {
  /** `asc` (default): in the order in which the events were received. */
  readonly order?: 'asc' | 'desc' | undefined;
  /** Events fetched at a time, 1 to 1000. */
  readonly pageSize?: number | undefined;
}

export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** Absent at the end. */
  readonly nextCursor?: string;
  /** The search took its time and was stopped: there may be more at nextCursor, however few events are here. */
  readonly stopped: boolean;
}

export function listPages(query: Peer, { retry, cursor, ...asked }: ListOptions): AsyncGenerator<EventPage> {
  return readPages((at) => readPage(query, asked, at), { retry, cursor, signal: asked.signal });
}

const defaultPageSize = 500;

async function readPage(
  query: Peer,
  { order, pageSize = defaultPageSize, timeoutMs, signal, ...filter }: ListOptions,
  cursor: string,
): Promise<EventPage> {
  const request = {
    ...encodeFilter(filter),
    limit: pageSize,
    cursor,
    order: order === 'desc' ? Order.ORDER_DESC : Order.ORDER_ASC,
    payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON,
  };
  const settings = { timeoutMs, signal };
  const { events, nextCursor, stopped } = await callUnary(query, QueryServiceService.listEvents, request, settings);
  return { events: events.map(storedEventOf), ...(nextCursor === '' ? {} : { nextCursor }), stopped };
}
