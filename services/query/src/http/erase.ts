import { invalid } from '@eventsieve/contract/errors';
import type { FastifyInstance } from 'fastify';
import type { Queries } from '../queries.js';
import { eraseEvents } from '../rpc/erase-events.js';
import { readParameters } from './parameters.js';

export function serveErase(app: FastifyInstance, queries: Queries): void {
  const erase = async (topic: string, eventId: string) => {
    const { erased, more } = await eraseEvents(queries, { topic, eventId });
    return JSON.stringify({ erased: Number(erased), more });
  };

  app.delete<{ Params: { topic: string; event_id: string } }>('/events/:topic/:event_id', async (request, reply) => {
    readParameters(request, []);
    const { topic, event_id: eventId } = request.params;
    // Without an id the whole topic would go.
    if (eventId === '') throw invalid([{ field: 'event_id', message: 'must not be empty' }]);
    return reply.type('application/json').send(await erase(topic, eventId));
  });

  app.delete<{ Params: { topic: string } }>('/events/:topic', async (request, reply) => {
    readParameters(request, []);
    return reply.type('application/json').send(await erase(request.params.topic, ''));
  });
}
