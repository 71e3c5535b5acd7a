import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/**
 * Closes every response of a connection that is gone. Node closes only the one whose turn it is: pipelined behind it,
 * others would keep for ever what they give back when they close.
 */
export function closeResponses(app: FastifyInstance): void {
  const openOn = new WeakMap<Socket, Set<ServerResponse>>();

  app.addHook('onRequest', ({ raw: { socket } }, { raw: response }, done) => {
    let open = openOn.get(socket);
    if (open === undefined) {
      open = new Set();
      openOn.set(socket, open);
      // One listener however many requests come by the connection.
      socket.once('close', closesAll(open));
    }
    const still = open;
    still.add(response);
    response.once('close', () => still.delete(response));
    done();
  });
}

function closesAll(open: ReadonlySet<ServerResponse>): () => void {
  return () => {
    for (const response of open) {
      // The one in turn is closed by Node, and so is one that has left as a whole.
      if (response.socket !== null || response.writableFinished) continue;
      response.destroy();
      // Without a socket nothing else says it.
      response.emit('close');
    }
  };
}
