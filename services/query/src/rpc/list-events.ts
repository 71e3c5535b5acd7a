import { type FieldError, invalid } from '@eventsieve/contract/errors';
import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { type ListEventsRequest, type ListEventsResponse, Order } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { events } from '@eventsieve/store/schema';
import { and, eq, gt, lt, type SQL, sql } from 'drizzle-orm';
import { decodeCursor, encodeCursor } from '../cursor.js';
import { lookupFaults } from '../lookup-text.js';
import type { Queries } from '../queries.js';
import { type EventRow, eventColumns, payloadFormatFaults, storedEventOf } from '../sql/event-row.js';

const defaultLimit = 100;
const maxLimit = 1000;

/**
 * A page ends early rather than grow beyond this, and goes on at its cursor: a thousand large events do not fit into
 * the 4 MiB that a gRPC client takes by default. A Struct takes more bytes than the text it comes from.
 */
const maxPageBytes = { text: 3 * 1024 ** 2, struct: 1024 ** 2 };

/** Shows everything committed: what a STORED answer said is in the next read. */
export async function listEvents(
  { drizzle }: Pick<Queries, 'drizzle'>,
  request: ListEventsRequest,
): Promise<ListEventsResponse> {
  const { limit, after } = validate(request);
  const asText = request.payloadFormat === PayloadFormat.PAYLOAD_FORMAT_JSON;
  const { rows } = await drizzle.execute<PageRow>(pageOf(request, limit, after, asText));
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = last !== undefined && Number(last.found) > shown.length;
  return {
    events: shown.map((row) => storedEventOf(row, request.payloadFormat)),
    nextCursor: more ? encodeCursor(BigInt(last.position)) : '',
    stopped: false,
  };
}

function validate({ topic, source, limit, cursor, order, payloadFormat }: ListEventsRequest) {
  const faults: FieldError[] = [...lookupFaults({ topic, source }), ...payloadFormatFaults(payloadFormat)];
  if (limit < 0 || limit > maxLimit) faults.push({ field: 'limit', message: `must be from 1 to ${maxLimit}` });
  if (order < Order.ORDER_UNSPECIFIED || order > Order.ORDER_DESC) {
    faults.push({ field: 'order', message: `has no meaning for ${order}` });
  }
  if (faults.length > 0) throw invalid(faults);
  return { limit: limit === 0 ? defaultLimit : limit, after: cursor === '' ? undefined : decodeCursor(cursor) };
}

type PageRow = EventRow & { readonly found: string };

/** One event more than asked for, to know whether the page is the last. */
function pageOf(request: ListEventsRequest, limit: number, after: bigint | undefined, asText: boolean): SQL {
  const descending = request.order === Order.ORDER_DESC;
  const direction = sql.raw(descending ? 'desc' : 'asc');
  const wanted = and(
    request.topic === '' ? undefined : eq(events.topic, request.topic),
    request.source === '' ? undefined : eq(events.source, request.source),
    after === undefined ? undefined : descending ? lt(events.position, after) : gt(events.position, after),
  );
  return sql`
    with page as (
      select ${sql.raw(eventColumns)} from ${events} where ${wanted ?? sql`true`}
      order by position ${direction} limit ${limit + 1}
    ), sized as (
      select *, count(*) over () as found, sum(octet_length(payload)) over (
        order by position ${direction} rows between unbounded preceding and 1 preceding
      ) as bytes_before
      from page
    )
    select * from sized
    where coalesce(bytes_before, 0) < ${asText ? maxPageBytes.text : maxPageBytes.struct}
    order by position ${direction}`;
}
