import type { FastifyInstance } from 'fastify';

const preflightSeconds = 600;

/**
 * Tells browsers whose pages may read the answers. Comes before every other hook, so that errors can be read too. Not
 * @fastify/cors: it takes every OPTIONS request, and here one that is no preflight is a method that a path does not have.
 */
export function allowOrigins(app: FastifyInstance, origins: readonly string[] | '*'): void {
  if (origins.length === 0) return;
  app.addHook('onRequest', async (request, reply) => {
    const { origin, 'access-control-request-method': method } = request.headers;
    if (origins !== '*') reply.header('vary', 'Origin');
    if (origin === undefined || (origins !== '*' && !origins.includes(origin))) return;
    reply.header('access-control-allow-origin', origins === '*' ? '*' : origin);
    reply.header('access-control-expose-headers', 'Retry-After, Allow, Link');
    if (request.method !== 'OPTIONS' || method === undefined) return;
    reply.header('access-control-allow-methods', 'GET, HEAD, POST, DELETE');
    reply.header('access-control-allow-headers', 'Content-Type, Content-Encoding, Last-Event-ID');
    reply.header('access-control-max-age', preflightSeconds);
    return reply.code(204).send();
  });
}
