import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { EventStatus } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { FastifyInstance } from 'fastify';
import { cloudEventJson } from '../cloudevents/cloud-event-json.js';
import { prefers } from '../cloudevents/prefers.js';
import type { Queries } from '../queries.js';
import { getEvent } from '../rpc/get-event.js';
import { eventJson } from './event-json.js';
import { readParameters } from './parameters.js';
import { cloudEventType } from './read-body.js';

const statusNames: Readonly<Partial<Record<EventStatus, string>>> = {
  [EventStatus.EVENT_STATUS_STORED]: 'stored',
  [EventStatus.EVENT_STATUS_EXPIRED]: 'expired',
  [EventStatus.EVENT_STATUS_DEAD_LETTERED]: 'dead_lettered',
  [EventStatus.EVENT_STATUS_PENDING]: 'pending',
};

export function serveEvent(app: FastifyInstance, queries: Queries): void {
  app.get<{ Params: { topic: string; event_id: string } }>('/events/:topic/:event_id', async (request, reply) => {
    readParameters(request, []);
    const { topic, event_id: eventId } = request.params;
    const payloadFormat = PayloadFormat.PAYLOAD_FORMAT_JSON;
    const { status: code, event } = await getEvent(queries, { topic, eventId, payloadFormat });
    const status = statusNames[code] ?? 'unknown';
    if (event !== undefined && prefers(request.headers.accept, cloudEventType)) {
      const cloudEvent = cloudEventJson(event);
      if (cloudEvent !== undefined) return reply.type(`${cloudEventType}; charset=utf-8`).send(cloudEvent);
    }
    const body =
      event === undefined ? JSON.stringify({ status, topic, event_id: eventId }) : eventJson(event, { status });
    return reply.type('application/json').send(body);
  });
}
