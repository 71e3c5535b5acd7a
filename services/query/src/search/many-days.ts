import type { Statements } from '../sql/database.js';

const many = 60;
const freshMs = 60_000;

/**
 * Whether events are kept in so many partitions that planning for all of them takes longer than to find out which ones a
 * page can be in. Asked once a minute: it decides how fast a search is, not what it finds.
 */
export function asksForManyDays(database: Statements): () => Promise<boolean> {
  let known = false;
  let askAgainAtMs = 0;
  return async () => {
    if (performance.now() < askAgainAtMs) return known;
    const [row] = await database.query<{ readonly days: number }>(
      "select count(*)::integer as days from pg_inherits where inhparent = 'events'::regclass",
    );
    known = (row?.days ?? 0) > many;
    askAgainAtMs = performance.now() + freshMs;
    return known;
  };
}
