import type { Duplex } from 'node:stream';
import { type ErrorCode, EventsieveError, invalid } from '@eventsieve/contract/errors';
import type { Logger } from '@eventsieve/runtime/logger';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { boundBodies } from './bound-bodies.js';
import { allowOrigins } from './cors.js';
import { failureBody, httpFailure } from './errors.js';
import { parseQuery } from './parameters.js';
import { takeBodies } from './read-body.js';
import { takeTurns } from './take-turns.js';

export interface HttpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly maxRequestBytes: number;
  /** Bodies of all requests under way. */
  readonly maxRequestBytesInFlight?: number;
  readonly drainMs: number;
  /** In which the headers, and the whole of a request, must have come. */
  readonly headersTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly corsOrigins?: readonly string[] | '*';
  readonly logger: Logger;
  /** Adds the routes. */
  readonly serve: (app: FastifyInstance) => void;
}

export interface RunningHttpServer {
  readonly address: string;
  stop(): Promise<void>;
}

export async function startHttpServer(options: HttpServerOptions): Promise<RunningHttpServer> {
  const { host, port, drainMs } = options;
  const app = createApp(options);
  const drain = drains(app);
  declineEarly(app, options.maxRequestBytes);
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw new Error(`cannot listen on ${host}:${port} (HTTP_PORT): ${(error as Error).message}`);
  }
  const bound = app.server.address();
  return {
    address: `http://${host}:${typeof bound === 'object' && bound ? bound.port : port}`,
    async stop() {
      let cut = false;
      const hard = setTimeout(() => {
        cut = true;
        app.server.closeAllConnections();
      }, drainMs);
      drain();
      await app.close();
      clearTimeout(hard);
      if (cut) throw new Error(`HTTP requests did not end within ${drainMs} ms and were cut off`);
    },
  };
}

/**
 * Once the returned function is called, what comes in by a connection that is still open is refused, and each connection
 * is closed after its answer: Node would keep it for the next request, and the server would wait for that.
 */
function drains(app: FastifyInstance): () => void {
  let draining = false;
  app.addHook('onRequest', (_, __, done) => {
    if (!draining) return done();
    done(new EventsieveError('UNAVAILABLE', 'the service is stopping', { reason: 'STOPPING', retryAfterMs: 1_000 }));
  });
  app.addHook('onSend', (_, reply, payload, done) => {
    if (draining) reply.header('connection', 'close');
    done(null, payload);
  });
  return () => {
    draining = true;
  };
}

/** A client that asks whether to send its body (curl does, over a megabyte) is told of one too large before it does. */
function declineEarly(app: FastifyInstance, maxBytes: number): void {
  app.server.on('checkContinue', (request, response) => {
    if (!(Number(request.headers['content-length']) > maxBytes)) response.writeContinue();
    app.server.emit('request', request, response);
  });
  // Node would refuse any other expectation with an empty body; nobody has to meet it.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
}

export function createApp(options: Omit<HttpServerOptions, 'host' | 'port' | 'drainMs'>) {
  const { maxRequestBytes, headersTimeoutMs = 10_000, requestTimeoutMs = 60_000, logger, serve } = options;
  const fail = (error: unknown, where: string, reply: FastifyReply) => {
    const { status, retryAfterSeconds, body } = httpFailure(error, logger, where);
    if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
    return reply.code(status).type('application/json').send(body);
  };
  const app = Fastify({
    logger: false,
    bodyLimit: maxRequestBytes,
    // A topic and an id of 255 characters each, at 4 bytes a character and 3 letters a byte.
    routerOptions: { maxParamLength: 4096, querystringParser: parseQuery },
    requestTimeout: requestTimeoutMs,
    http: {
      // Refused below: Node's own refusal is empty.
      requireHostHeader: false,
      headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
      // Node looks for slow clients only so often; its default would let each of them stay half a minute longer.
      connectionsCheckingInterval: Math.min(headersTimeoutMs, 1_000),
    },
    connectionTimeout: 0,
    // Fastify's own 503 has another body than every other answer.
    return503OnClosing: false,
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    trustProxy: false,
    frameworkErrors: (error, request, reply) => void fail(error, request.url, reply),
    clientErrorHandler: (error, socket) => {
      // What comes after it is no HTTP either.
      if (refused.has(socket)) return;
      refused.add(socket);
      // Where no request has begun an answer would be taken for that to the next one.
      if (!socket.writable || socket.bytesRead === 0) return void socket.destroy();
      const [status, code, message] = notHttp((error as NodeJS.ErrnoException).code);
      const body = failureBody(new EventsieveError(code, message));
      const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
      sayLast(socket, () => void socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`));
    },
  });
  const refused = new WeakSet<Duplex>();
  // First, since whatever comes after may have something to give back.
  const sayLast = takeTurns(app);
  allowOrigins(app, options.corsOrigins ?? []);
  const hold = boundBodies(app, options.maxRequestBytesInFlight ?? maxRequestBytes * 8);
  takeBodies(app, maxRequestBytes, hold);
  app.setErrorHandler((error, request, reply) => fail(error, `${request.method} ${request.routeOptions.url}`, reply));
  app.setNotFoundHandler((_, reply) => fail(new EventsieveError('NOT_FOUND', 'there is nothing here'), '', reply));
  app.addHook('onRequest', ({ raw, is404 }, _, done) => {
    if (raw.headers.host === undefined && raw.httpVersion === '1.1') {
      return done(invalid([{ field: 'host', message: 'is missing: HTTP/1.1 wants this header' }]));
    }
    // Before a body is read: a path that does not exist must not complain of the body's type.
    done(is404 ? new EventsieveError('NOT_FOUND', 'there is nothing here') : undefined);
  });
  refuseOtherMethods(app, serve);
  return app;
}

function notHttp(code: string | undefined): [status: string, code: ErrorCode, message: string] {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return ['431 Request Header Fields Too Large', 'INVALID_ARGUMENT', 'the headers are too large'];
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return ['408 Request Timeout', 'DEADLINE_EXCEEDED', 'the request did not come in time'];
  }
  return ['400 Bad Request', 'INVALID_ARGUMENT', 'the request is not HTTP'];
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** A known path with another method is 405, and says which methods it has. */
function refuseOtherMethods(app: FastifyInstance, serve: (app: FastifyInstance) => void): void {
  const served = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const known = served.get(url) ?? new Set();
    for (const each of [method].flat()) known.add(each);
    served.set(url, known);
  });
  serve(app);
  for (const [url, known] of [...served]) {
    const allow = [...known].join(', ');
    const others = methods.filter((method) => !known.has(method));
    app.route({
      url,
      method: others,
      onRequest: async (_, reply) => {
        reply.header('allow', allow);
        throw new EventsieveError('METHOD_NOT_ALLOWED', `only ${allow} can be asked here`);
      },
      handler: () => undefined,
    });
  }
}
