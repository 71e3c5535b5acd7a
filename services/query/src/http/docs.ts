import type { FastifyInstance } from 'fastify';
import { sendPage } from './page.js';
import { readParameters } from './parameters.js';

/** Swagger UI. */
export function serveDocs(app: FastifyInstance): void {
  app.get('/docs', async (request, reply) => {
    readParameters(request, []);
    return sendPage(reply, {
      title: 'eventsieve: API',
      styles: ['swagger-ui.css'],
      scripts: ['swagger-ui-bundle.js', 'start-swagger-ui.js'],
    });
  });
}
