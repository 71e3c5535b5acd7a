import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Holds back what clients send; what the server sends goes on. */
  holdClients(hold: boolean): void;
  /** Holds back what the server sends; what clients send goes on. */
  holdServer(hold: boolean): void;
  /** Nothing comes through present connections any more, one way or both, and nobody is told. New ones work. */
  freeze(ways: 'from-server' | 'both'): void;
  /** Resets every connection. */
  cut(): void;
  /** How many connections there have been. */
  accepted(): number;
  stop(): Promise<void>;
}

/** Stands between a client and a server on this machine, and can come between them. */
export async function startProxy(
  targetPort: number,
  changeFromServer: (chunk: Buffer) => Buffer = (chunk) => chunk,
): Promise<TcpProxy> {
  const pairs = new Map<Socket, Socket>();
  const frozen = new Set<Socket>();
  let accepted = 0;
  let holdingClients = false;
  let holdingServer = false;
  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1');
    pairs.set(client, upstream);
    accepted++;
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => client.write(changeFromServer(chunk)));
    if (holdingClients) client.pause();
    if (holdingServer) upstream.pause();
    const end = () => {
      pairs.delete(client);
      for (const socket of [client, upstream]) frozen.delete(socket);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('close', end).on('error', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    holdClients(hold) {
      holdingClients = hold;
      for (const client of pairs.keys()) if (!frozen.has(client)) setPaused(client, hold);
    },
    holdServer(hold) {
      holdingServer = hold;
      for (const upstream of pairs.values()) if (!frozen.has(upstream)) setPaused(upstream, hold);
    },
    freeze(ways) {
      for (const [client, upstream] of pairs) {
        for (const socket of ways === 'both' ? [client, upstream] : [upstream]) {
          frozen.add(socket);
          socket.pause();
        }
      }
    },
    accepted: () => accepted,
    cut() {
      for (const client of pairs.keys()) client.destroy();
    },
    stop() {
      for (const client of pairs.keys()) client.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function setPaused(socket: Socket, paused: boolean): void {
  if (paused) socket.pause();
  else socket.resume();
}
