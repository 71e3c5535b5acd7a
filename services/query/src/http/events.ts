import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { Order } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { FastifyInstance } from 'fastify';
import type { Queries } from '../queries.js';
import { listEvents } from '../rpc/list-events.js';
import { eventJson } from './event-json.js';
import { readChoice, readParameters, readWhole } from './parameters.js';

export function serveEvents(app: FastifyInstance, queries: Pick<Queries, 'drizzle'>): void {
  app.get('/events', async (request, reply) => {
    const given = readParameters(request, ['topic', 'source', 'order', 'limit', 'cursor']);
    const descending = readChoice('order', given.order, ['asc', 'desc'], 'asc') === 'desc';
    const { events, nextCursor } = await listEvents(queries, {
      topic: given.topic ?? '',
      source: given.source ?? '',
      limit: readWhole('limit', given.limit, 100, 1, 1000),
      cursor: given.cursor ?? '',
      order: descending ? Order.ORDER_DESC : Order.ORDER_ASC,
      payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON,
      topicExact: '',
      eventId: '',
      receivedFrom: undefined,
      receivedTo: undefined,
      from: undefined,
      to: undefined,
      payload: '',
    });
    const topic = given.topic === undefined ? '' : `"topic":${JSON.stringify(given.topic)},`;
    const list = events.map((event) => eventJson(event)).join(',');
    const next = nextCursor === '' ? 'null' : JSON.stringify(nextCursor);
    const body = `{${topic}"count":${events.length},"events":[${list}],"next_cursor":${next}}`;
    return reply.type('application/json').send(body);
  });
}
