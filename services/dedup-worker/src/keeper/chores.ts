import type { Pool } from 'pg';
import type { WorkerConfig } from '../config.js';
import type { WorkerMetrics } from '../metrics.js';
import { keepsWithin } from './keep.js';
import type { KeepDeps } from './keep-deps.js';
import type { Chore } from './keeper.js';
import { rollsUp } from './roll-up.js';

export interface ChoreDeps {
  readonly pool: Pool;
  readonly config: WorkerConfig;
  readonly givenOut: KeepDeps['givenOut'];
  readonly metrics: Pick<WorkerMetrics, 'removed'>;
}

/** Everything that is done beside the way of an event. */
export function choresOf({ pool, config, givenOut, metrics }: ChoreDeps): Chore[] {
  return [rollsUp({ pool }), keepsWithin({ pool, retention: config.retention, givenOut, removed: metrics.removed })];
}
