import { type HttpServerOptions, startHttpServer } from '../src/http/server.js';
import { silent } from './query-fixture.js';

export const maxRequestBytes = 100_000;

/** The server as it is around the routes; by itself it has one. */
export const startBare = (changes: Partial<HttpServerOptions> = {}) =>
  startHttpServer({
    host: '127.0.0.1',
    port: 0,
    maxRequestBytes,
    maxRequestBytesInFlight: 1024 ** 2,
    drainMs: 100,
    logger: silent,
    serve: (app) => void app.post('/publish', async (request) => ({ bytes: (request.body as Buffer).length })),
    ...changes,
  });
