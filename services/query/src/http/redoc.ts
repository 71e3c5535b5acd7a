import type { FastifyInstance } from 'fastify';
import { sendPage } from './page.js';
import { readParameters } from './parameters.js';

export function serveRedoc(app: FastifyInstance): void {
  app.get('/redoc', async (request, reply) => {
    readParameters(request, []);
    return sendPage(reply, {
      title: 'eventsieve: API reference',
      styles: [],
      scripts: ['redoc.standalone.js', 'start-redoc.js'],
    });
  });
}
