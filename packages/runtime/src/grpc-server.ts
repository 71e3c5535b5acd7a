import { EventsieveError } from '@eventsieve/contract/errors';
import { toGrpcStatus } from '@eventsieve/contract/grpc-errors';
import { readTraceparent, traceparentHeader } from '@eventsieve/contract/traceparent';
import {
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Logger } from './logger.js';

/** What a handler may want to know of its call besides the request. */
export interface CallContext {
  /** When the caller stops waiting, in ms since 1970; Infinity when it never does. */
  readonly deadlineMs: number;
  readonly cancelled: () => boolean;
  /** Which trace the call belongs to, when the caller says so. */
  readonly traceparent?: string | undefined;
}

/** How a call ended, for those who count. */
export interface EndedCall<Request> {
  /** Undefined when the bytes were no message. */
  readonly request: Request | undefined;
  /** Undefined when it was answered. */
  readonly error: EventsieveError | undefined;
  readonly seconds: number;
}

export type UnaryHandler<Request, Response> = (request: Request, context: CallContext) => Promise<Response>;

/** Bytes that are no message. grpc-js would answer INTERNAL and hide the call from the handler. */
export class Undecodable {
  constructor(readonly cause: unknown) {}

  refusal(): EventsieveError {
    return new EventsieveError('INVALID_ARGUMENT', 'the request is not a message of this method', {
      reason: 'UNDECODABLE',
    });
  }
}

export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** How the messages of a method become bytes, and bytes its messages. */
export type MethodCodec<Request, Response> = Pick<
  MethodDefinition<Request, Response>,
  'requestDeserialize' | 'responseSerialize'
>;

/** A decoder that never throws. */
export function tolerant<Request>(decode: (bytes: Buffer) => Request): (bytes: Buffer) => Request {
  return (bytes) => {
    try {
      return decode(bytes);
    } catch (error) {
      return new Undecodable(error) as Request;
    }
  };
}

const asItIs = (bytes: Buffer) => bytes;

export interface UnaryMethod {
  readonly definition: MethodDefinition<Buffer, Buffer>;
  readonly handler: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => void;
}

/**
 * The only place where a handler meets grpc-js: a rejected async handler never answers there and ends the process
 * (grpc-node#290), so every handler is wrapped here, once.
 *
 * What goes through grpc-js is bytes. It holds on to the messages of a call for a while after its end, and hundreds of
 * small objects that live a little too long are what makes collecting garbage slow.
 */
export function unary<Request, Response>(
  method: MethodCodec<Request, Response> & { readonly path: string },
  handler: UnaryHandler<Request, Response>,
  logger: Logger,
  onEnded: (call: EndedCall<Request>) => void = () => undefined,
): UnaryMethod {
  const decode = tolerant(method.requestDeserialize);
  const handle: UnaryMethod['handler'] = (call, answer) => {
    const begunAtMs = performance.now();
    const received: Request | Undecodable = decode(call.request);
    const request = received instanceof Undecodable ? undefined : received;
    const ended = (error?: EventsieveError) =>
      onEnded({ request, error, seconds: (performance.now() - begunAtMs) / 1000 });
    const fail = (thrown: unknown) => {
      const error = foreseen(thrown, logger, call.getPath());
      ended(error);
      answer(toGrpcStatus(error));
    };
    if (received instanceof Undecodable) return void fail(received.refusal());
    const context = contextOf(call);
    Promise.resolve()
      .then(() => handler(received, context))
      .then(method.responseSerialize)
      .then((bytes) => {
        ended();
        answer(null, bytes);
      }, fail);
  };
  const definition = {
    path: method.path,
    requestStream: false,
    responseStream: false,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  };
  return { definition, handler: handle };
}

export function contextOf(call: Pick<OpenStream, 'getDeadline' | 'cancelled' | 'metadata'>): CallContext {
  const deadline = call.getDeadline();
  return {
    deadlineMs: deadline instanceof Date ? deadline.getTime() : deadline,
    cancelled: () => call.cancelled,
    traceparent: readTraceparent(call.metadata.get(traceparentHeader)[0]),
  };
}

/** What nobody foresaw leaves as INTERNAL, with the cause in the log and none in the answer. */
export function foreseen(error: unknown, logger: Logger, where: string): EventsieveError {
  if (error instanceof EventsieveError) {
    if (error.code === 'INTERNAL') logger.error({ err: error, where }, 'internal error');
    return error;
  }
  logger.error({ err: error, where }, 'unforeseen error');
  return new EventsieveError('INTERNAL', 'internal error');
}

export interface GrpcServerOptions {
  readonly host: string;
  readonly port: number;
  readonly portVariable: string;
  readonly services: readonly GrpcService[];
  readonly maxReceiveBytes: number;
  readonly drainMs: number;
  /** After which clients are sent to a new connection, so that load moves to new servers. */
  readonly maxConnectionAgeMs?: number;
}

export interface RunningGrpcServer {
  readonly address: string;
  stop(): Promise<void>;
}

export async function startGrpcServer(options: GrpcServerOptions): Promise<RunningGrpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': options.maxReceiveBytes,
    'grpc.max_concurrent_streams': 1000,
    'grpc.max_connection_age_ms': options.maxConnectionAgeMs ?? 30 * 60_000,
    'grpc.max_connection_age_grace_ms': 60_000,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  const streams = new Set<OpenStream>();
  for (const service of options.services) {
    server.addService(service.definition, knowingStreams(service, streams));
  }
  const port = await bind(server, options);
  return {
    address: `${options.host}:${port}`,
    stop: () =>
      new Promise((resolve, reject) => {
        // tryShutdown can hang on a client that keeps its stream (grpc-node#1664).
        const hard = setTimeout(() => {
          server.forceShutdown();
          reject(new Error(`gRPC calls did not end within ${options.drainMs} ms and were cut off`));
        }, options.drainMs);
        server.tryShutdown(() => {
          clearTimeout(hard);
          resolve();
        });
        // Who watches the health would watch for ever. A stream that listens ends by itself, once it has answered.
        for (const stream of streams) {
          if (!stream.emit(stopEvent)) stream.emit('error', toGrpcStatus(serverStopping()));
        }
      }),
  };
}

/** Of a stream, when the server is told to stop. */
export const stopEvent = 'eventsieve-stop';

export function serverStopping(): EventsieveError {
  return new EventsieveError('UNAVAILABLE', 'the server is stopping', { reason: 'STOPPING', retryAfterMs: 500 });
}

type OpenStream = ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;

/** The service's handlers, of which each stream of answers is in `streams` for as long as it is open. */
function knowingStreams(
  { definition, implementation }: GrpcService,
  streams: Set<OpenStream>,
): UntypedServiceImplementation {
  const known: UntypedServiceImplementation = { ...implementation };
  for (const [name, { responseStream }] of Object.entries(definition)) {
    const handler = implementation[name] as ((call: OpenStream) => void) | undefined;
    if (!responseStream || handler === undefined) continue;
    known[name] = (call: OpenStream) => {
      streams.add(call);
      for (const event of ['finish', 'cancelled']) call.on(event, () => streams.delete(call));
      handler(call);
    };
  }
  return known;
}

function bind(server: Server, { host, port, portVariable }: GrpcServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(new Error(`cannot listen on ${host}:${port} (${portVariable}): ${error.message}`));
      else resolve(bound);
    });
  });
}
