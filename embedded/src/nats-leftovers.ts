import { join } from 'node:path';
import { findByCommand, goneWithin, signalProcess } from './processes.js';

export const configFileOf = (storeDir: string): string => join(storeDir, 'nats.conf');

/** A server of a run that was killed together with its guard: two on one store would ruin it. */
export async function endLeftoverNats(storeDir: string, say: (line: string) => void): Promise<void> {
  const configFile = configFileOf(storeDir);
  const servers = findByCommand((command) => command.includes('nats-server') && command.endsWith(` -c ${configFile}`));
  for (const server of servers) {
    say(`nats-server: a server of an earlier run (pid ${server.pid}) still uses ${configFile}, ending it`);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      signalProcess(server, signal);
      if (await goneWithin([server], 5_000)) break;
    }
  }
}
