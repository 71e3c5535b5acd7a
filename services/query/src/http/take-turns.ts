import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The answer may go on for as long as somebody reads. */
    readonly endless?: boolean;
  }
}

interface Turn {
  readonly endless: boolean;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** While it waits. */
  go: (() => void) | undefined;
}

interface Connection {
  /** Those that are not answered yet, in their order. */
  readonly turns: Set<Turn>;
  endless: number;
  waiting: number;
}

// Each holds a little memory for as long as what is before it goes on.
const mostWaiting = 100;

/**
 * Requests of one connection are answered in their order, and Node hands them out as they come. One that waits behind an
 * answer which may never end would hold its place among few for as long, and one whose answer may never end holds a place
 * while it waits. So neither begins before its turn. A stream that begins is the last of its connection: what comes behind
 * it does not run at all.
 *
 * When a connection is gone all of its responses are closed. Node closes only the one whose turn it is: others would keep
 * for ever what they give back when they close.
 *
 * The function that is returned says something by a connection as the last thing of all: after the answers to what came
 * before, and not within one that may never end.
 */
export function takeTurns(app: FastifyInstance): (socket: Duplex, say: () => void) => void {
  const connections = new WeakMap<Duplex, Connection>();

  function connectionOf(socket: Socket): Connection {
    const known = connections.get(socket);
    if (known !== undefined) return known;
    const connection = { turns: new Set<Turn>(), endless: 0, waiting: 0 };
    connections.set(socket, connection);
    // One listener however many requests come by the connection.
    socket.once('close', () => closeAll(connection));
    return connection;
  }

  app.addHook('onRequest', ({ raw: request, routeOptions }, { raw: response }, done) => {
    const { socket } = request;
    const connection = connectionOf(socket);
    const endless = routeOptions.config?.endless === true;
    const waits = endless ? connection.turns.size > 0 : connection.endless > 0;
    const turn: Turn = { endless, request, response, go: waits ? done : undefined };
    connection.turns.add(turn);
    if (endless) connection.endless++;
    if (waits) connection.waiting++;
    response.once('close', () => {
      connection.turns.delete(turn);
      if (endless) connection.endless--;
      if (turn.go !== undefined) connection.waiting--;
      turn.go = undefined;
      // After a stream the connection ends.
      if (connection.waiting > 0 && !socket.writableEnded && !socket.destroyed) letGo(connection);
    });
    if (!waits) done();
    else if (connection.waiting > mostWaiting) socket.destroy();
  });

  return (socket, say) => {
    const turns = [...(connections.get(socket)?.turns ?? [])];
    // One that has not come as a whole is what is answered.
    const own = turns.at(-1)?.request.complete === false ? turns.pop() : undefined;
    if (own?.response.headersSent || turns.some(({ endless }) => endless)) return void socket.destroy();
    const before = new Set(turns);
    if (before.size === 0) return say();
    for (const turn of before) {
      turn.response.once('close', () => {
        before.delete(turn);
        if (before.size === 0 && socket.writable) say();
      });
    }
  };
}

function letGo(connection: Connection): void {
  let behindAny = false;
  let behindEndless = false;
  for (const turn of connection.turns) {
    const { go, endless } = turn;
    if (go !== undefined && !(endless ? behindAny : behindEndless)) {
      turn.go = undefined;
      connection.waiting--;
      go();
    }
    behindAny = true;
    behindEndless ||= endless;
  }
}

function closeAll({ turns }: Connection): void {
  for (const { response } of turns) {
    // The one in turn is closed by Node, and so is one that has left as a whole.
    if (response.socket !== null || response.writableFinished) continue;
    response.destroy();
    // Without a socket nothing else says it.
    response.emit('close');
  }
}
