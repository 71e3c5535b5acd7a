import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '../sql/in-transaction.js';

const takeLock = 'select pg_try_advisory_xact_lock(keeping_lock_key()) as alone';

/** Runs `work` in a transaction; undefined when somebody else is removing something at this moment. */
export function whenAlone<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T | undefined> {
  return inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ alone: boolean }>(takeLock);
    return rows[0]?.alone === true ? await work(client) : undefined;
  });
}
