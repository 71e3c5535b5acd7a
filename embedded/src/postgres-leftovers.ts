import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findByCommand, goneWithin, type Identity, identityOf, signalProcess } from './processes.js';

/** Postgres shows its cluster_name in the title of every backend, which is how they are found again once orphaned. */
export function clusterName(dataDir: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(dataDir)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return `eventsieve-${hash.toString(16).padStart(16, '0')}`;
}

export function backendsOf(cluster: string): Identity[] {
  return findByCommand((command) => command.startsWith(`postgres: ${cluster}:`));
}

/**
 * Backends of a killed first process notice its end by themselves, but a busy one only when it next looks. As long as
 * one lives it holds the shared memory, and a new server refuses to start.
 */
export async function waitForBackends(cluster: string, patienceMs = 2_000): Promise<void> {
  if (await goneWithin(backendsOf(cluster), patienceMs)) return;
  for (const signal of ['SIGQUIT', 'SIGKILL'] as const) {
    const backends = backendsOf(cluster);
    for (const backend of backends) signalProcess(backend, signal);
    if (await goneWithin(backends, patienceMs)) return;
  }
}

/** A server of a run that was killed together with its guard: it is still at work on this very folder. */
export async function endLeftoverPostgres(dataDir: string, say: (line: string) => void): Promise<void> {
  const server = leftoverServer(dataDir);
  if (server !== undefined) {
    say(`postgres: a server of an earlier run (pid ${server.pid}) still uses ${dataDir}, ending it`);
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
      signalProcess(server, signal);
      if (await goneWithin([server], 5_000)) break;
    }
  }
  await waitForBackends(clusterName(dataDir));
}

function leftoverServer(dataDir: string): Identity | undefined {
  let pid: number;
  try {
    pid = Number(readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
  } catch {
    return undefined;
  }
  // The pid may have been taken over; only a process whose command names this folder is the server.
  const found = findByCommand((command) => command.includes(`postgres -D ${dataDir} `));
  return found.some((identity) => identity.pid === pid) ? identityOf(pid) : undefined;
}
