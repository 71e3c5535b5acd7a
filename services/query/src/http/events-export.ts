import type { OutgoingHttpHeaders } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { EventsieveError } from '@eventsieve/contract/errors';
import type { Logger } from '@eventsieve/runtime/logger';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { type ExportQueries, exportChunks, lastStored, readPage } from '../export/export-chunks.js';
import { type ExportRequest, readExportRequest } from '../export/read-request.js';

export interface ExportLimits {
  readonly maxExports: number;
  /** How long a client may take nothing of what it was sent. */
  readonly patienceMs: number;
  /** How long an export goes on in a service that stops. */
  readonly graceMs: number;
}

export const defaultExportLimits: ExportLimits = { maxExports: 4, patienceMs: 60_000, graceMs: 1_000 };

export interface EventsExportDeps {
  readonly queries: ExportQueries;
  readonly logger: Logger;
  readonly exportLimits?: ExportLimits;
}

/** Every event of a filter that was stored when the export began. It ends well when they all are in it, else not at all. */
export function serveEventsExport(app: FastifyInstance, deps: EventsExportDeps): void {
  const { queries, logger, exportLimits: limits = defaultExportLimits } = deps;
  const running = new Set<Readable>();
  let count = 0;

  // Of a HEAD, Fastify would read the whole export to throw it away.
  app.get('/events/export', { exposeHeadRoute: false, config: { endless: true } }, async (request, reply) => {
    const asked = readExportRequest(request);
    if (count >= limits.maxExports) throw tooMany(limits.maxExports);
    count += 1;
    let chunks: Readable | undefined;
    // After every answer, also a refusal, and when the client goes.
    reply.raw.once('close', () => {
      count -= 1;
      if (chunks === undefined) return;
      running.delete(chunks);
      chunks.destroy();
    });
    const wanted = { ...asked, upTo: await lastStored(queries) };
    // A database that is away is told of in the answer, as long as there is none yet.
    const first = await readPage(queries, wanted, wanted.after);
    if (reply.raw.destroyed) return reply.hijack();
    chunks = Readable.from(exportChunks(queries, wanted, first), { objectMode: false });
    running.add(chunks);
    cutOffWhoDoesNotRead(reply, chunks, limits.patienceMs);
    chunks.once('error', (error) => {
      logger.warn({ err: error }, 'an export was broken off');
      // Without chunks a mere end would look like a whole one.
      if (request.raw.httpVersion === '1.0') reply.raw.socket?.resetAndDestroy();
    });
    send(reply, asked, chunks);
    return reply;
  });

  app.addHook('preClose', async () => {
    const stopping = () => {
      for (const chunks of running) chunks.destroy(new Error('the service is stopping'));
    };
    setTimeout(stopping, limits.graceMs).unref();
  });
}

/** By hand: Fastify would answer with an error what breaks before the first piece has left, under headers of a file. */
function send(reply: FastifyReply, { wrapping }: ExportRequest, chunks: Readable): void {
  reply.hijack();
  const { raw } = reply;
  const vary = [reply.getHeader('vary') ?? [], 'Accept-Encoding'].flat().join(', ');
  const headers = {
    none: { 'content-type': 'application/x-ndjson', vary },
    encoding: { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip', vary },
    file: { 'content-type': 'application/gzip', 'content-disposition': 'attachment; filename="events.ndjson.gz"' },
  };
  // A server that stops need not wait for a connection that is used no more.
  raw.writeHead(200, { ...reply.getHeaders(), ...headers[wrapping], connection: 'close' } as OutgoingHttpHeaders);
  raw.flushHeaders();
  // What breaks one of them breaks the others.
  if (wrapping === 'none') pipeline(chunks, raw, () => undefined);
  else pipeline(chunks, createGzip(), raw, () => undefined);
}

function cutOffWhoDoesNotRead(reply: FastifyReply, chunks: Readable, patienceMs: number): void {
  reply.raw.setTimeout(patienceMs, () => {
    // Nothing to send is no fault of the client's.
    if ((reply.raw.socket?.writableLength ?? 0) > 0) chunks.destroy(new Error('the client does not read'));
  });
}

function tooMany(maxExports: number): EventsieveError {
  const message = `${maxExports} exports are under way, and no more are made at once`;
  return new EventsieveError('RESOURCE_EXHAUSTED', message, { reason: 'TOO_MANY_EXPORTS', retryAfterMs: 10_000 });
}
