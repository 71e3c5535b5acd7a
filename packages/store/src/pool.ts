import { Pool, type PoolConfig } from 'pg';
import { watchConnections } from './watch-connections.js';

export interface PoolOptions {
  readonly url: string;
  readonly name: string;
  readonly max: number;
  readonly statementTimeoutMs: number;
  readonly onError: (error: Error) => void;
  /**
   * For statements that come again and again and go by an index, whatever is asked for: each connection plans them once.
   * Left to itself Postgres compares estimates, and plans them anew each time.
   */
  readonly plansOnce?: boolean;
}

// A plan that is kept must not rest on how small the tables were when it was made.
const planOnce = '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off';

/**
 * Connections that cannot hang: every wait has a bound on the server's side, so a stuck process blocks nobody, and on
 * ours, so a half-open socket is noticed.
 */
export function createPool({ url, name, max, statementTimeoutMs, onError, plansOnce = false }: PoolOptions): Pool {
  const config: PoolConfig = {
    connectionString: url,
    application_name: name,
    max,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    statement_timeout: statementTimeoutMs,
    lock_timeout: Math.min(5_000, statementTimeoutMs),
    idle_in_transaction_session_timeout: 10_000,
    // Compiling a statement takes longer than running it: with many partitions, or before the first ANALYZE, the planner
    // thinks otherwise.
    options: plansOnce ? `-c jit=off ${planOnce}` : '-c jit=off',
    query_timeout: statementTimeoutMs + 2_000,
  };
  const pool = new Pool(config);
  // Without a listener an idle connection's end would end the process (node-postgres#3202).
  pool.on('error', onError);
  pool.on('connect', (client) => client.on('error', onError));
  watchConnections(pool, { connectionString: url, application_name: `${name}-watch` });
  return pool;
}

const endPatienceMs = 1_000;

/**
 * Ends the pool when nobody waits for an answer of it any more. What still runs (a probe, say, of a database that does
 * not answer) is not waited for longer than a moment: the end of the process breaks it off.
 */
export async function endPool(pool: Pool): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, endPatienceMs);
  });
  await Promise.race([pool.end(), late]);
  clearTimeout(timer);
}
