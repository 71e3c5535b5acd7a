import { connect, createServer, type Socket } from 'node:net';

/**
 * What stands between two parts does with what passes: hold what the client sends, or what the server sends; be silent
 * for connections that are open and let new ones through (a half-open socket); be silent for all; be slow; or let nobody
 * in.
 */
export type LinkMode = 'pass' | 'hold-requests' | 'hold-answers' | 'half-open' | 'black-hole' | 'slow' | 'refuse';

export interface Link {
  readonly name: string;
  readonly port: number;
  set(mode: LinkMode): void;
  /** Resets every open connection; how many there were. */
  reset(): number;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Open since before the sockets went silent. */
  dead: boolean;
}

const slowMs = 120;

export async function openLink(name: string, targetPort: number): Promise<Link> {
  const pairs = new Set<Pair>();
  let mode: LinkMode = 'pass';

  const holds = (pair: Pair, side: 'client' | 'server') =>
    pair.dead || mode === 'black-hole' || mode === (side === 'client' ? 'hold-requests' : 'hold-answers');

  function apply(pair: Pair): void {
    for (const side of ['client', 'server'] as const) {
      if (holds(pair, side)) pair[side].pause();
      else pair[side].resume();
    }
  }

  function carry(pair: Pair, from: Socket, to: Socket): void {
    // What is late is not overtaken: a connection that turned frames round would be a fault of this link.
    const late: Buffer[] = [];
    from.on('data', (chunk: Buffer) => {
      if (mode !== 'slow' && late.length === 0) return void to.write(chunk);
      late.push(chunk);
      from.pause();
      setTimeout(() => {
        const first = late.shift();
        if (first !== undefined && !to.destroyed) to.write(first);
        if (!from.destroyed) apply(pair);
      }, slowMs);
    });
  }

  const listener = createServer((client) => {
    if (mode === 'refuse') return void client.resetAndDestroy();
    const server = connect(targetPort, '127.0.0.1');
    const pair: Pair = { client, server, dead: false };
    pairs.add(pair);
    for (const socket of [client, server]) socket.setNoDelay(true);
    carry(pair, client, server);
    carry(pair, server, client);
    apply(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('close', end).on('error', end);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(0, '127.0.0.1', resolve);
  });
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the link has no port');

  function reset(which: (pair: Pair) => boolean = () => true): number {
    const chosen = [...pairs].filter(which);
    for (const { client, server } of chosen) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    return chosen.length;
  }

  return {
    name,
    port: address.port,
    set(next) {
      mode = next;
      if (mode === 'half-open') for (const pair of pairs) pair.dead = true;
      // A half-open socket never speaks again: the other side has long forgotten it.
      if (mode === 'pass') reset(({ dead }) => dead);
      for (const pair of pairs) apply(pair);
    },
    reset: () => reset(),
    close() {
      reset();
      return new Promise((resolve) => listener.close(() => resolve()));
    },
  };
}
