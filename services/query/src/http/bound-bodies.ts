import { EventsieveError } from '@eventsieve/contract/errors';
import type { FastifyInstance } from 'fastify';

/**
 * Bounds the bodies that are held at one time, as they arrive and until they are answered: what a request says of its
 * size may be a lie, and a body that stops half-way is held all the same. Alone, any body that is within its own limit
 * gets through.
 */
export function boundBodies(app: FastifyInstance, maxBytes: number): void {
  let held = 0;

  app.addHook('preParsing', (_, reply, payload, done) => {
    let own = 0;
    const count = (chunk: Buffer) => {
      own += chunk.length;
      held += chunk.length;
      if (held <= maxBytes || held === own) return;
      payload.off('data', count);
      // The rest of it would be held as well.
      reply.header('connection', 'close');
      payload.emit('error', tooMuch());
    };
    // What reads the body attaches in this same turn, so nothing flows past it.
    payload.on('data', count);
    reply.raw.once('close', () => {
      held -= own;
    });
    done(null, payload);
  });
}

function tooMuch(): EventsieveError {
  const message = 'too much is being sent at once (MAX_REQUEST_BYTES_IN_FLIGHT); nothing was taken';
  return new EventsieveError('RESOURCE_EXHAUSTED', message, { reason: 'TOO_MANY_IN_FLIGHT', retryAfterMs: 1_000 });
}
