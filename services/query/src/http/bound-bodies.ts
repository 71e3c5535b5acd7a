import { EventsieveError } from '@eventsieve/contract/errors';
import type { FastifyInstance, FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** Counts more bytes as held for it, or fewer; false when they are too many. */
    holdsBytes: ((bytes: number) => boolean) | undefined;
  }
}

/** Counts more bytes, or fewer, as held for a request; throws when they are too many. */
export type HoldBytes = (request: FastifyRequest, bytes: number) => void;

/**
 * Bounds the bodies that are held at one time, as they arrive and until they are answered: what a request says of its
 * size may be a lie, and a body that stops half-way is held all the same. Alone, any body that is within its own limit
 * gets through. What a body inflates to is for its reader to count, by the function that is returned.
 */
export function boundBodies(app: FastifyInstance, maxBytes: number): HoldBytes {
  let held = 0;
  // On the request itself: what a map holds for a weak key is kept by every minor collection, and so would be the request.
  app.decorateRequest('holdsBytes', undefined);

  app.addHook('preParsing', (request, reply, payload, done) => {
    // Nothing reads it any more once its request is answered, or refused; a stream that fails unheard ends the process.
    payload.on('error', () => undefined);
    if (unread.includes(request.method)) {
      payload.resume();
      return done(null, payload);
    }
    let own = 0;
    let over = false;
    const fits = (bytes: number) => {
      // Nobody would count these off again.
      if (over) return false;
      own += bytes;
      held += bytes;
      return held <= maxBytes || held === own;
    };
    const count = (chunk: Buffer) => {
      if (fits(chunk.length)) return;
      payload.off('data', count);
      if (over) return;
      // The rest of it would be held as well.
      reply.header('connection', 'close');
      payload.emit('error', tooMuch());
    };
    request.holdsBytes = fits;
    // What reads the body attaches in this same turn, so nothing flows past it.
    payload.on('data', count);
    reply.raw.once('close', () => {
      over = true;
      held -= own;
    });
    done(null, payload);
  });

  return (request, bytes) => {
    if (request.holdsBytes?.(bytes) === false && bytes > 0) throw tooMuch();
  };
}

/** No route reads the body of these. */
const unread: readonly string[] = ['GET', 'HEAD'];

function tooMuch(): EventsieveError {
  const message = 'too much is being sent at once (MAX_REQUEST_BYTES_IN_FLIGHT); nothing was taken';
  return new EventsieveError('RESOURCE_EXHAUSTED', message, { reason: 'TOO_MANY_IN_FLIGHT', retryAfterMs: 1_000 });
}
