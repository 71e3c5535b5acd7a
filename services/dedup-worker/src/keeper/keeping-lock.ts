import type { Pool, QueryResult, QueryResultRow } from 'pg';
import { sqlStateOf } from '../postgres-errors.js';

const notAlone = 'ES003';

const takeLock = `
  do $$ begin
    if not pg_try_advisory_xact_lock(keeping_lock_key()) then
      raise exception 'somebody else is removing something' using errcode = '${notAlone}';
    end if;
  end $$`;

/**
 * Runs statements in a transaction, and gives the rows of the last one; undefined when somebody else is removing something
 * at this moment. They go to Postgres in one message, which it takes for one transaction: others wait for the locks in it,
 * so none of them may hang on a process that can stand still. Such a message has no parameters.
 */
export async function whenAlone<Row extends QueryResultRow>(
  pool: Pool,
  statements: readonly string[],
  queryTimeoutMs?: number,
): Promise<readonly Row[] | undefined> {
  const text = [takeLock, ...statements].join(';');
  try {
    const bound = queryTimeoutMs === undefined ? {} : { query_timeout: queryTimeoutMs };
    const results = (await pool.query({ text, ...bound })) as unknown as readonly QueryResult<Row>[];
    return results.at(-1)?.rows ?? [];
  } catch (error) {
    if (sqlStateOf(error) === notAlone) return undefined;
    throw error;
  }
}
