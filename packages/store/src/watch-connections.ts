import type { Socket } from 'node:net';
import { Client, type ClientConfig, type Pool, type PoolClient } from 'pg';

interface Wire {
  readonly processID: number | null;
  /** False while a query is under way. */
  readonly readyForQuery?: boolean;
  readonly connection: { readonly stream: Socket };
}

interface Watched {
  traffic: string;
  silentLooks: number;
  suspect: boolean;
}

const lookMs = 1_000;
const silentLooksAllowed = 3;
const askTimeoutMs = 3_000;

/**
 * Notices a half-open connection within seconds, however long its query may run. When a query has been under way for some
 * looks and not one byte has come or gone, a fresh connection asks whether its backend still works on it. Two such
 * answers in a row that it does not, and the socket is closed: the call fails at once, and its caller tries again. A
 * query that really runs for long is left alone, and so is whatever cannot be judged.
 */
export function watchConnections(pool: Pool, config: ClientConfig): void {
  const open = new Set<PoolClient>();
  const inUse = new Map<PoolClient, Watched>();
  let looking = false;

  pool.on('connect', (client) => open.add(client));
  pool.on('remove', (client) => open.delete(client));
  pool.on('release', (_error, client) => inUse.delete(client));
  pool.on('acquire', (client) => {
    inUse.set(client, { traffic: '', silentLooks: 0, suspect: false });
    if (!looking) lookSoon();
  });

  function lookSoon(): void {
    looking = inUse.size > 0;
    if (looking) setTimeout(look, lookMs).unref();
  }

  function look(): void {
    // Looks are counted, not seconds: a process that was stopped reads what has come meanwhile before it looks again.
    const silent = [...inUse].filter(([client, watched]) => isSilent(client, watched));
    if (silent.length === 0) lookSoon();
    else void judge(silent).finally(lookSoon);
  }

  async function judge(silent: readonly (readonly [PoolClient, Watched])[]): Promise<void> {
    const stillWorks = await askAboutBackends(
      config,
      silent.map(([client]) => client),
    );
    // Nothing could be learned.
    if (stillWorks === undefined) return;
    let dead = false;
    for (const [client, watched] of silent) {
      if (inUse.get(client) !== watched || trafficOf(client) !== watched.traffic || stillWorks(client)) {
        watched.suspect = false;
      } else if (watched.suspect) {
        dead = true;
        close(client);
      } else {
        watched.suspect = true;
      }
    }
    // The idle ones took the same way, and each would cost its next user as long again.
    if (dead) for (const client of open) if (!inUse.has(client)) close(client);
  }
}

const wireOf = (client: unknown) => client as Wire;

function trafficOf(client: PoolClient): string {
  const { bytesRead, bytesWritten, writableLength } = wireOf(client).connection.stream;
  return [bytesRead, bytesWritten, writableLength].join();
}

function isSilent(client: PoolClient, watched: Watched): boolean {
  const traffic = trafficOf(client);
  if (traffic !== watched.traffic || wireOf(client).readyForQuery !== false) {
    Object.assign(watched, { traffic, silentLooks: 0, suspect: false });
    return false;
  }
  watched.silentLooks++;
  return watched.silentLooks >= silentLooksAllowed;
}

function close(client: PoolClient): void {
  wireOf(client).connection.stream.destroy(new Error('Connection terminated: its Postgres backend does not answer it'));
}

const addressOf = ({ connection: { stream } }: Wire) => `${stream.remoteAddress} ${stream.remotePort}`;

/** Says which of these connections' backends still work, or nothing when that cannot be learned. */
async function askAboutBackends(
  config: ClientConfig,
  clients: readonly PoolClient[],
): Promise<((client: PoolClient) => boolean) | undefined> {
  const asking = new Client({
    ...config,
    connectionTimeoutMillis: askTimeoutMs,
    statement_timeout: askTimeoutMs,
    query_timeout: askTimeoutMs,
  });
  asking.on('error', () => undefined);
  try {
    await asking.connect();
    const address = addressOf(wireOf(asking));
    const { rows } = await asking.query<{ own: number; pid: number | null }>(
      // A backend that waits for its client has nothing to do, or cannot get rid of what it has done.
      `select pg_backend_pid() as own, a.pid from (values (1)) as one
       left join pg_stat_activity a
         on a.pid = any ($1) and a.state not like 'idle%' and a.wait_event_type is distinct from 'Client'`,
      [clients.map((client) => wireOf(client).processID)],
    );
    // A pooler in between gives out numbers of its own.
    if (rows[0]?.own !== wireOf(asking).processID) return undefined;
    const working = new Set(rows.map(({ pid }) => pid));
    // Behind one name there may be several servers: of a backend on another one this connection knows nothing.
    return (client) => working.has(wireOf(client).processID) || addressOf(wireOf(client)) !== address;
  } catch {
    return undefined;
  } finally {
    // No farewell: what hangs would not answer it.
    wireOf(asking).connection.stream.destroy();
  }
}
