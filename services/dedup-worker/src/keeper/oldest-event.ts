import type { Pool } from 'pg';

/** When the first event that is kept was received, in seconds since 1970; now when there is none. */
export async function readOldestEvent(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ seconds: number }>(
    'select extract(epoch from received_at)::float8 as seconds from events order by position limit 1',
  );
  return rows[0]?.seconds ?? Date.now() / 1000;
}
