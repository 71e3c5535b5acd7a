import { EventsieveError } from '@eventsieve/contract/errors';
import { toGrpcStatus } from '@eventsieve/contract/grpc-errors';
import { oneByOneHeader } from '@eventsieve/contract/one-by-one';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { callerGone, http2StreamOf, isOver } from './grpc-call.js';
import { type CallContext, contextOf, foreseen, serverStopping, stopEvent, Undecodable } from './grpc-server.js';
import type { Logger } from './logger.js';

/** A call in which both sides send as many messages as they like. */
export interface Conversation<Request, Response> {
  readonly context: CallContext;
  /** The caller wants each request to be a call of its own. */
  readonly oneByOne: boolean;
  /**
   * Reads one request, and no further. Undefined once the caller has said that there are no more; rejects when one is no
   * message, or when no more are read.
   */
  next(): Promise<Request | undefined>;
  /** Resolves once the answer has left this process, or never will. */
  send(response: Response): Promise<void>;
  /** Why no more requests are read: the server stops, or nobody is there any more. */
  over(): EventsieveError | undefined;
}

export type DuplexHandler<Request, Response> = (conversation: Conversation<Request, Response>) => Promise<void>;

/** As `unary`, for streams both ways: the call ends when the handler does, with OK or with its error. */
export function duplex<Request, Response>(handler: DuplexHandler<Request, Response>, logger: Logger) {
  return (call: ServerDuplexStream<Request, Response>): void => {
    const context = contextOf(call);
    const oneByOne = call.metadata.get(oneByOneHeader).length > 0;
    // Who sends one request after the other takes a call for some seconds only, and would not know whether the next is read.
    const incoming = readFrom(call, !oneByOne);
    const outgoing = writeTo(call, incoming.stop);
    Promise.resolve()
      .then(() => handler({ context, oneByOne, next: incoming.next, over: incoming.over, send: outgoing.send }))
      .then(
        () => outgoing.whenSent(() => call.end()),
        (thrown) => {
          const error = foreseen(thrown, logger, call.getPath());
          outgoing.whenSent(() => call.emit('error', toGrpcStatus(error)));
        },
      );
  };
}

function readFrom<Request>(call: ServerDuplexStream<Request, unknown>, endsWithItsConnection: boolean) {
  const readOne = call._read.bind(call);
  // By itself it reads up to 16 messages ahead, of any size.
  call._read = () => undefined;
  let waiting: { resolve(request: Request | undefined): void; reject(error: EventsieveError): void } | undefined;
  let ended = false;
  let over: EventsieveError | undefined;

  function stop(why: EventsieveError): void {
    over ??= why;
    waiting?.reject(over);
    waiting = undefined;
  }

  call.on('data', (message: Request | Undecodable) => {
    if (message instanceof Undecodable) waiting?.reject(message.refusal());
    else waiting?.resolve(message);
    waiting = undefined;
  });
  call.on('end', () => {
    ended = true;
    waiting?.resolve(undefined);
    waiting = undefined;
  });
  call.on(stopEvent, () => stop(serverStopping()));

  return {
    stop,
    over: () => over,
    next: () =>
      new Promise<Request | undefined>((resolve, reject) => {
        if (ended) return resolve(undefined);
        if (over === undefined && endsWithItsConnection && http2StreamOf(call)?.session?.closed) stop(connectionEnds());
        if (over !== undefined) return reject(over);
        waiting = { resolve, reject };
        readOne(1);
      }),
  };
}

function writeTo<Response>(call: ServerDuplexStream<unknown, Response>, onGone: (why: EventsieveError) => void) {
  let unsent: { readonly response: Response; readonly left: () => void }[] = [];
  let writing = false;
  let onSent: (() => void) | undefined;

  function writeNext(): void {
    const first = unsent[0];
    if (first === undefined) allSent();
    else if (call.destroyed || isOver(call)) abandon();
    else {
      writing = true;
      call.write(first.response, () => {
        writing = false;
        unsent.shift();
        first.left();
        writeNext();
      });
    }
  }

  function allSent(): void {
    const end = onSent;
    onSent = undefined;
    end?.();
  }

  function abandon(): void {
    onGone(callerGone());
    const lost = unsent;
    unsent = [];
    for (const { left } of lost) left();
    allSent();
  }

  // Of what was being written when the call broke off, the stream says nothing.
  call.on('close', abandon);

  return {
    send: (response: Response) =>
      new Promise<void>((resolve) => {
        unsent.push({ response, left: resolve });
        if (!writing) writeNext();
      }),
    whenSent(end: () => void): void {
      if (unsent.length === 0) end();
      else onSent = end;
    },
  };
}

/** Of an old connection: it takes no new calls, and cuts off a minute later those that are still there. */
function connectionEnds(): EventsieveError {
  const message = 'the server closes this connection';
  return new EventsieveError('UNAVAILABLE', message, { reason: 'STOPPING', retryAfterMs: 0 });
}
