import { invalid } from '@eventsieve/contract/errors';
import type { FastifyInstance } from 'fastify';
import { positionOf } from '../dead-letters/position-text.js';
import type { Queries } from '../queries.js';
import { getDeadLetter } from '../rpc/get-dead-letter.js';
import { wholeDeadLetterJson } from './dead-letter-json.js';
import { readParameters } from './parameters.js';

export function serveDeadLetter(app: FastifyInstance, queries: Pick<Queries, 'database' | 'names'>): void {
  app.get<{ Params: { id: string } }>('/dead-letters/:id', async (request, reply) => {
    readParameters(request, []);
    const position = positionOf(request.params.id);
    if (position === undefined) throw invalid([{ field: 'id', message: 'must be a whole number from 1' }]);
    const { deadLetter } = await getDeadLetter(queries, { position });
    return reply.type('application/json').send(JSON.stringify(deadLetter && wholeDeadLetterJson(deadLetter)));
  });
}
