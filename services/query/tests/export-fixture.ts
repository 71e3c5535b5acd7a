import { get, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { defaultExportLimits, type ExportLimits, serveEventsExport } from '../src/http/events-export.js';
import { type HttpServerOptions, type RunningHttpServer, startHttpServer } from '../src/http/server.js';
import type { Queries } from '../src/queries.js';
import { type QueryFixture, silent } from './query-fixture.js';

/** The route alone, on a server of its own. */
export function serveExports(
  fixture: QueryFixture,
  changes: Partial<Pick<Queries, 'searchEvents' | 'searchTimeoutMs'>> = {},
  limits: Partial<ExportLimits> = {},
  more: Partial<HttpServerOptions> = {},
): Promise<RunningHttpServer> {
  const deps = {
    queries: { ...fixture.queries, ...changes },
    logger: silent,
    exportLimits: { ...defaultExportLimits, ...limits },
  };
  const serve = (app: FastifyInstance) => {
    serveEventsExport(app, deps);
    more.serve?.(app);
  };
  const drainMs = 3_000;
  return startHttpServer({
    host: '127.0.0.1',
    port: 0,
    maxRequestBytes: 100_000,
    drainMs,
    logger: silent,
    ...more,
    serve,
  });
}

/** The answer as it comes, not inflated. */
export function askExport(
  server: RunningHttpServer,
  query = '',
  headers: OutgoingHttpHeaders = {},
): Promise<IncomingMessage> {
  const { port } = new URL(server.address);
  return new Promise((resolve, reject) => {
    const request = get({ port, path: `/events/export${query}`, headers, agent: false }, resolve);
    request.on('error', reject);
  });
}
