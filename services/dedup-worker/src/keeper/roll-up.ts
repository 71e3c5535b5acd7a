import type { Pool } from 'pg';
import type { Chore } from './keeper.js';

const everyMs = 1_000;
const slowStepMs = 60;
const leastPositions = 1_000;
const mostPositions = 20_000;

// Named, so that each connection plans it once. The migrations hold the function.
const statement = { name: 'roll_up_v1', text: 'select roll_up_v1($1) as more' } as const;

/**
 * Counts by source what is settled, and writes the times of each chapter down. A step takes as many positions as it can
 * in a few milliseconds: how many those are depends on what is in them.
 */
export function rollsUp({ pool }: { readonly pool: Pool }): Chore {
  let most = 2_000;
  return {
    name: 'counting by source',
    everyMs,
    async step() {
      const begunAtMs = performance.now();
      const { rows } = await pool.query<{ more: boolean | null }>({ ...statement, values: [most] });
      // Null when another worker is at it.
      const more = rows[0]?.more === true;
      const tookMs = performance.now() - begunAtMs;
      if (tookMs > slowStepMs) most = Math.max(leastPositions, Math.floor(most / 2));
      else if (more && tookMs < slowStepMs / 2) most = Math.min(mostPositions, most * 2);
      return more;
    },
  };
}
