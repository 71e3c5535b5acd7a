import { EventsieveError } from '@eventsieve/contract/errors';
import { toGrpcStatus } from '@eventsieve/contract/grpc-errors';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { type CallContext, contextOf, foreseen, serverStopping, stopEvent, Undecodable } from './grpc-server.js';
import type { Logger } from './logger.js';

/** A call in which both sides send as many messages as they like. */
export interface Conversation<Request, Response> {
  readonly context: CallContext;
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
    const conversation = converse(call);
    Promise.resolve()
      .then(() => handler(conversation))
      .then(
        () => call.end(),
        (thrown) => {
          const error = foreseen(thrown, logger, call.getPath());
          // What has been sent leaves before it.
          if (!call.destroyed) call.emit('error', toGrpcStatus(error));
        },
      );
  };
}

function converse<Request, Response>(call: ServerDuplexStream<Request, Response>): Conversation<Request, Response> {
  const readOne = call._read.bind(call);
  // By itself it reads up to 16 messages ahead, of any size.
  call._read = () => undefined;
  const unsent = new Set<() => void>();
  let waiting: { resolve(request: Request | undefined): void; reject(error: EventsieveError): void } | undefined;
  let ended = false;
  let over: EventsieveError | undefined;

  function end(why: EventsieveError): void {
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
  call.on(stopEvent, () => end(serverStopping()));
  call.on('close', () => {
    end(new EventsieveError('UNAVAILABLE', 'the caller is gone', { reason: 'CALLER_GONE' }));
    // Of what was being written when the call broke off, the stream says nothing.
    for (const resolve of unsent) resolve();
    unsent.clear();
  });

  return {
    context: contextOf(call),
    over: () => over,
    next: () =>
      new Promise((resolve, reject) => {
        if (ended) return resolve(undefined);
        if (over !== undefined) return reject(over);
        waiting = { resolve, reject };
        readOne(1);
      }),
    send: (response) =>
      new Promise((resolve) => {
        if (call.destroyed) return resolve();
        unsent.add(resolve);
        call.write(response, () => {
          unsent.delete(resolve);
          resolve();
        });
      }),
  };
}
