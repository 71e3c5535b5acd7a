import { connect, type Socket } from 'node:net';
import type { Doors } from './doors.js';

const normalMs = 3_000;

/** So many connections to each port that say nothing, while others go on asking. */
export async function holdIdleConnections(
  doors: Doors,
  perPort: number,
  find: (what: string) => void,
): Promise<number> {
  const ports = [doors.http.replace(/^http:\/\//, ''), doors.gateway, doors.query];
  const sockets: Socket[] = [];
  const refused: string[] = [];
  try {
    for (const address of ports) {
      const [host = '', port = ''] = address.split(':');
      const opened = Array.from(
        { length: perPort },
        () =>
          new Promise<void>((resolve) => {
            const socket = connect(Number(port), host, resolve);
            socket.on('error', (error) => {
              refused.push(`${address}: ${error.message}`);
              resolve();
            });
            sockets.push(socket);
          }),
      );
      await Promise.all(opened);
    }
    if (refused.length > 0) find(`${refused.length} idle connections were not taken: ${refused[0]}`);
    for (let i = 0; i < 20; i++) {
      const begunAtMs = Date.now();
      const response = await fetch(`${doors.http}/stats`, { signal: AbortSignal.timeout(normalMs) }).catch(
        () => undefined,
      );
      await response?.text();
      if (response?.status !== 200) {
        find(`/stats answered ${response?.status} after ${Date.now() - begunAtMs} ms beside idle connections`);
        break;
      }
    }
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  return sockets.length;
}
