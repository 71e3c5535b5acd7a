import { type FieldError, invalid } from '@eventsieve/contract/errors';
import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { type ListEventsRequest, type ListEventsResponse, Order } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { decodeCursor, encodeCursor } from '../cursor.js';
import { readFilter } from '../filter/read-filter.js';
import type { Queries } from '../queries.js';
import { payloadFormatFaults, storedEventOf } from '../sql/event-row.js';

export type ListQueries = Pick<Queries, 'searchEvents' | 'searchTimeoutMs'>;

const defaultLimit = 100;
const maxLimit = 1000;

/**
 * A page ends early rather than grow beyond this, and goes on at its cursor: a thousand large events do not fit into
 * the 4 MiB that a gRPC client takes by default. A Struct takes more bytes than the text it comes from.
 */
const maxPageBytes = { text: 3 * 1024 ** 2, struct: 1024 ** 2 };

/** Shows everything committed: what a STORED answer said is in the next read. */
export async function listEvents(
  { searchEvents, searchTimeoutMs }: ListQueries,
  request: ListEventsRequest,
): Promise<ListEventsResponse> {
  const { limit, cursor, order, payloadFormat } = request;
  const faults: FieldError[] = [];
  const filter = readFilter(request, faults);
  faults.push(...payloadFormatFaults(payloadFormat));
  if (limit < 0 || limit > maxLimit) faults.push({ field: 'limit', message: `must be from 1 to ${maxLimit}` });
  if (order < Order.ORDER_UNSPECIFIED || order > Order.ORDER_DESC) {
    faults.push({ field: 'order', message: `has no meaning for ${order}` });
  }
  if (faults.length > 0) throw invalid(faults);

  const { rows, searchedTo, end, stopped } = await searchEvents(filter, {
    after: cursor === '' ? undefined : decodeCursor(cursor),
    descending: order === Order.ORDER_DESC,
    limit: limit === 0 ? defaultLimit : limit,
    maxBytes: payloadFormat === PayloadFormat.PAYLOAD_FORMAT_JSON ? maxPageBytes.text : maxPageBytes.struct,
    untilMs: performance.now() + searchTimeoutMs,
  });
  return {
    events: rows.map((row) => storedEventOf(row, payloadFormat)),
    nextCursor: end ? '' : encodeCursor(searchedTo),
    stopped,
  };
}
