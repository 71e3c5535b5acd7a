import { EventsieveError } from '@eventsieve/contract/errors';
import type { Conversation } from './grpc-duplex.js';
import type { EndedCall, UnaryHandler } from './grpc-server.js';

/**
 * Each request as a call of its own: answered before the next is read. The first that fails ends the stream with its
 * error.
 */
export async function oneByOne<Request, Response>(
  { context, next, over, send }: Conversation<Request, Response>,
  handler: UnaryHandler<Request, Response>,
  onEnded: (call: EndedCall<Request>) => void = () => undefined,
): Promise<void> {
  for (;;) {
    let begunAtMs = performance.now();
    const ended = (request: Request | undefined, error: EventsieveError | undefined) =>
      onEnded({ request, error, seconds: (performance.now() - begunAtMs) / 1000 });
    let request: Request | undefined;
    try {
      request = await next();
      if (request === undefined) return;
      begunAtMs = performance.now();
      const response = await handler(request, context);
      ended(request, undefined);
      await send(response);
    } catch (thrown) {
      // When no more requests are read none has failed.
      if (request !== undefined || thrown !== over()) ended(request, asKnown(thrown));
      throw thrown;
    }
  }
}

const asKnown = (thrown: unknown) =>
  thrown instanceof EventsieveError ? thrown : new EventsieveError('INTERNAL', 'internal error');
