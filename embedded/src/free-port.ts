import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

// Below the ports that systems give to outgoing connections: between this answer and its use nobody gets it by chance.
const lowest = 20_000;
const count = 12_000;
const attempts = 100;
// From a random one upwards: no caller gets the port of the one before, which may not be in use yet.
let next = randomInt(count);

export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    next = (next + 1) % count;
    const port = lowest + next;
    if ((await portProblem(host, port)) === undefined) return port;
  }
  throw new Error(`no free port on ${host}`);
}

/** Why the port cannot be listened on, or undefined when it can. */
export async function portProblem(host: string, port: number): Promise<string | undefined> {
  try {
    const server = await listen(host, port);
    await new Promise((resolve) => server.close(resolve));
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function listen(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}
