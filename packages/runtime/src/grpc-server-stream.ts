import { constants } from 'node:http2';
import type { EventsieveError } from '@eventsieve/contract/errors';
import { toGrpcStatus } from '@eventsieve/contract/grpc-errors';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { callerGone, http2StreamOf, isOver } from './grpc-call.js';
import { type EndedCall, foreseen, serverStopping, stopEvent, Undecodable } from './grpc-server.js';
import type { Logger } from './logger.js';

/** A call that is answered with as many messages as the handler likes. */
export interface Audience<Response> {
  /** Resolves once the message has left this process, or never will. One at a time. */
  send(response: Response): Promise<void>;
  /** Why nothing more need be sent: the server stops, the connection ends, or nobody is there any more. */
  over(): EventsieveError | undefined;
  /** Told as soon as it is over; also when that was before. */
  onOver(listener: () => void): void;
}

export type ServerStreamHandler<Request, Response> = (request: Request, audience: Audience<Response>) => Promise<void>;

// A caller that reads nothing keeps its stream open, however it ended.
const lastWordsMs = 2_000;

/** As `unary`, for a stream of answers: the call ends when the handler does, with OK or with its error. */
export function serverStream<Request, Response>(
  handler: ServerStreamHandler<Request, Response>,
  logger: Logger,
  onEnded: (call: EndedCall<Request>) => void = () => undefined,
) {
  return (call: ServerWritableStream<Request, Response>): void => {
    const begunAtMs = performance.now();
    const received: Request | Undecodable = call.request;
    const request = received instanceof Undecodable ? undefined : received;
    const ended = (error?: EventsieveError) =>
      onEnded({ request, error, seconds: (performance.now() - begunAtMs) / 1000 });
    const fail = (thrown: unknown) => {
      const error = foreseen(thrown, logger, call.getPath());
      ended(error);
      end(call, () => call.emit('error', toGrpcStatus(error)));
    };
    if (received instanceof Undecodable) return void fail(received.refusal());
    const audience = audienceOf(call);
    Promise.resolve()
      .then(() => handler(received, audience))
      .then(() => {
        ended();
        end(call, () => call.end());
      }, fail);
  };
}

function end(call: ServerWritableStream<unknown, unknown>, farewell: () => void): void {
  const stream = http2StreamOf(call);
  // Also when grpc-js has ended the call, at its deadline: what was written before stays until it is taken.
  if (stream?.destroyed === false) {
    // Not destroy(): a stream that is reset without an error leaves a caller of grpc-js, and its connection, waiting.
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), lastWordsMs);
    stream.once('close', () => clearTimeout(timer));
  }
  if (!call.destroyed && !isOver(call)) farewell();
}

function audienceOf<Response>(call: ServerWritableStream<unknown, Response>): Audience<Response> {
  const listeners: (() => void)[] = [];
  let over: EventsieveError | undefined;
  let left: (() => void) | undefined;

  function stop(why: EventsieveError): void {
    if (over !== undefined) return;
    over = why;
    for (const listener of listeners) listener();
  }

  function gone(): void {
    stop(callerGone());
    // Of what was being written when the call broke off, the stream says nothing.
    left?.();
  }

  call.on('close', gone);
  call.on(stopEvent, () => stop(serverStopping()));

  return {
    send: (response) =>
      new Promise<void>((resolve) => {
        if (call.destroyed || isOver(call)) {
          gone();
          return resolve();
        }
        left = resolve;
        call.write(response, () => resolve());
      }),
    over() {
      if (over === undefined && http2StreamOf(call)?.session?.closed) stop(serverStopping());
      return over;
    },
    onOver(listener) {
      listeners.push(listener);
      if (over !== undefined) listener();
    },
  };
}
