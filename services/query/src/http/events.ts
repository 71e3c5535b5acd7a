import { PayloadFormat, type StoredEvent } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { Order } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { FastifyInstance } from 'fastify';
import { cloudEventJson } from '../cloudevents/cloud-event-json.js';
import { prefers } from '../cloudevents/prefers.js';
import { type ListQueries, listEvents } from '../rpc/list-events.js';
import { eventJson } from './event-json.js';
import { filterFieldsOf, filterParameters } from './filter-parameters.js';
import { readChoice, readParameters, readWhole } from './parameters.js';
import { cloudEventsType } from './read-body.js';

export function serveEvents(app: FastifyInstance, queries: ListQueries): void {
  app.get('/events', async (request, reply) => {
    const given = readParameters(request, [...filterParameters, 'order', 'limit', 'cursor']);
    const descending = readChoice('order', given.order, ['asc', 'desc'], 'asc') === 'desc';
    const { events, nextCursor, stopped } = await listEvents(queries, {
      ...filterFieldsOf(given),
      limit: readWhole('limit', given.limit, 100, 1, 1000),
      cursor: given.cursor ?? '',
      order: descending ? Order.ORDER_DESC : Order.ORDER_ASC,
      payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON,
    });
    if (prefers(request.headers.accept, cloudEventsType)) {
      if (nextCursor !== '')
        reply.header('link', `<?${new URLSearchParams({ ...given, cursor: nextCursor })}>; rel="next"`);
      return reply.type(`${cloudEventsType}; charset=utf-8`).send(`[${events.flatMap(cloudEventOf).join(',')}]`);
    }
    const asked = given.topic ?? given.topic_exact;
    const topic = asked === undefined ? '' : `"topic":${JSON.stringify(asked)},`;
    const list = events.map((event) => eventJson(event)).join(',');
    const next = nextCursor === '' ? 'null' : JSON.stringify(nextCursor);
    const end = stopped ? ',"stopped":true' : '';
    const body = `{${topic}"count":${events.length},"events":[${list}],"next_cursor":${next}${end}}`;
    return reply.type('application/json').send(body);
  });
}

function cloudEventOf(event: StoredEvent): string[] {
  const text = cloudEventJson(event);
  return text === undefined ? [] : [text];
}
