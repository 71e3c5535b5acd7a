import type { FastifyInstance } from 'fastify';
import type { Queries } from '../queries.js';
import { discardDeadLetters } from '../rpc/discard-dead-letters.js';
import { withFieldNames } from './field-names.js';
import { readParameters } from './parameters.js';
import { bodyText } from './read-body.js';
import { readChoiceBody } from './read-choice.js';

export function serveDiscard(app: FastifyInstance, queries: Pick<Queries, 'database'>): void {
  app.post('/dead-letters/discard', async (request, reply) => {
    readParameters(request, []);
    const choice = readChoiceBody(bodyText(request.body));
    const call = discardDeadLetters(queries, choice);
    const { matched, positions } = await withFieldNames(call, (field) => field.replace(/^positions/, 'ids'));
    return reply.type('application/json').send(
      JSON.stringify({
        matched: Number(matched),
        discarded: choice.dryRun ? 0 : positions.length,
        ids: positions.map(String),
      }),
    );
  });
}
