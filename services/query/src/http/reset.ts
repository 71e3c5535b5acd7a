import type { FastifyInstance } from 'fastify';
import { formatInstant } from '../instant.js';
import type { Queries } from '../queries.js';
import { resetStats } from '../rpc/reset-stats.js';
import { readParameters } from './parameters.js';

export function serveReset(app: FastifyInstance, queries: Queries): void {
  app.post('/stats/reset', async (request) => {
    readParameters(request, []);
    const { since } = await resetStats(queries);
    return { since: since && formatInstant(since), message: 'The counts begin anew; nothing was deleted' };
  });
}
