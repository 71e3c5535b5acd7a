import type { Pool } from 'pg';

const usPerDay = 86_400_000_000n;

/** Makes the days' partitions of `events` where they are missing. */
export async function ensurePartitions(pool: Pool, timesUs: Iterable<bigint>): Promise<void> {
  const days = new Set<bigint>();
  for (const us of timesUs) days.add(us / usPerDay);
  for (const day of [...days].sort()) {
    const date = new Date(Number(day) * 86_400_000).toISOString().slice(0, 10);
    await pool.query('select ensure_event_partition_v1($1::date)', [date]);
  }
}

/** Today's and tomorrow's, so that midnight holds nobody up. */
export function ensureUpcomingPartitions(pool: Pool): Promise<void> {
  const nowUs = BigInt(Date.now()) * 1000n;
  return ensurePartitions(pool, [nowUs, nowUs + usPerDay]);
}
