import type { Pool, PoolClient } from 'pg';

/** Runs `work` in a transaction; undefined when somebody else is removing something at this moment. */
export async function whenAlone<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T | undefined> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const { rows } = await client.query<{ alone: boolean }>(
      'select pg_try_advisory_xact_lock(keeping_lock_key()) as alone',
    );
    const result = rows[0]?.alone === true ? await work(client) : undefined;
    await client.query('commit');
    return result;
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    // A connection in doubt is closed, which ends its transaction.
    client.release(broken);
  }
}
