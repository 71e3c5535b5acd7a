import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Holds back what clients send; what the server sends goes on. */
  holdClients(hold: boolean): void;
  /** Resets every connection. */
  cut(): void;
  stop(): Promise<void>;
}

/** Stands between a client and a server on this machine, and can come between them. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const clients = new Set<Socket>();
  let holding = false;
  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1');
    clients.add(client);
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => client.write(chunk));
    if (holding) client.pause();
    const end = () => {
      clients.delete(client);
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
      holding = hold;
      for (const client of clients) hold ? client.pause() : client.resume();
    },
    cut() {
      for (const client of clients) client.destroy();
    },
    stop() {
      for (const client of clients) client.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
