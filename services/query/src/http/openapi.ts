import type { FastifyInstance } from 'fastify';
import { openApiDocument } from '../openapi/document.js';
import { readParameters } from './parameters.js';

export function serveOpenApi(app: FastifyInstance): void {
  const text = JSON.stringify(openApiDocument);
  app.get('/openapi.json', async (request, reply) => {
    readParameters(request, []);
    return reply.type('application/json').send(text);
  });
}
