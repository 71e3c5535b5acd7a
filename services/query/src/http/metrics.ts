import type { FastifyInstance } from 'fastify';
import type { QueryMetrics } from '../metrics.js';

/** Parameters are not looked at: a scraper may be set to send some. */
export function serveMetrics(app: FastifyInstance, { exposition }: QueryMetrics): void {
  app.get('/metrics', async (_, reply) => reply.type(exposition.contentType).send(await exposition.text()));
}

/** Times every request. A path that nothing serves is the route `none`. */
export function timeRequests(app: FastifyInstance, metrics: QueryMetrics): void {
  app.addHook('onResponse', (request, reply, done) => {
    metrics.answered(request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
}
