import type { Pool } from 'pg';
import type { WorkerConfig } from '../config.js';
import type { Chore } from './keeper.js';
import { rollsUp } from './roll-up.js';

export interface ChoreDeps {
  readonly pool: Pool;
  readonly config: WorkerConfig;
}

/** Everything that is done beside the way of an event. */
export function choresOf({ pool }: ChoreDeps): Chore[] {
  return [rollsUp({ pool })];
}
