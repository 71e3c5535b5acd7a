import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from '@eventsieve/client';
import type { Pool } from 'pg';

/** Of a system what has to be seen to judge it. */
export interface Looked {
  readonly query: string;
  readonly database: { readonly pool: Pool };
}

const lookEveryMs = 20;
const storedWithinMs = 180_000;

/** Waits until so many copies are settled, and says how many of them are events. */
export async function untilSettled({ database }: Looked, copies: number): Promise<number> {
  const giveUpAt = performance.now() + storedWithinMs;
  for (;;) {
    const { rows } = await database.pool.query<{ settled: number; stored: number }>(
      `select coalesce(sum(unique_count + duplicate_count + dead_letter_count), 0)::float8 as settled,
              coalesce(sum(unique_count), 0)::float8 as stored
       from topic_counters`,
    );
    const { settled = 0, stored = 0 } = rows[0] ?? {};
    if (settled >= copies) return stored;
    if (performance.now() > giveUpAt) throw new Error(`of ${copies} copies only ${settled} were settled in time`);
    await delay(lookEveryMs);
  }
}

/** What is wrong with the whole of what the system holds, in sentences: a fast wrong answer is no result. */
export async function problemsOf(system: Looked, copies: number, events: number, removed = 0): Promise<string[]> {
  const client = createClient({ query: system.query });
  try {
    const problems: string[] = [];
    const { lifetime } = await client.stats();
    if (lifetime.received !== copies)
      problems.push(`${copies} copies were answered, ${lifetime.received} were received`);
    if (lifetime.uniqueProcessed !== events)
      problems.push(`${events} events were sent, ${lifetime.uniqueProcessed} are stored`);
    if (lifetime.duplicateDropped !== copies - events)
      problems.push(`${copies - events} copies were repeats, ${lifetime.duplicateDropped} were counted as such`);
    const { rows } = await system.database.pool.query<{ count: number }>(
      'select count(*)::float8 as count from events',
    );
    const kept = events - removed;
    if (rows[0]?.count !== kept) problems.push(`${kept} events are to be kept, the table holds ${rows[0]?.count}`);
    const audit = await client.reconcile({ timeoutMs: 120_000 });
    if (!audit.ok) problems.push(...audit.differences.map(({ what, message }) => `reconcile: ${what}: ${message}`));
    return problems;
  } finally {
    client.close();
  }
}
