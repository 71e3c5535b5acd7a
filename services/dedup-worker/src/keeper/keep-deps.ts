import type { removedKinds } from '@eventsieve/contract/metric-names';
import type { Pool } from 'pg';
import type { Retention } from './retention.js';

export interface KeepDeps {
  readonly pool: Pool;
  readonly retention: Retention;
  /** Committed. */
  readonly removed: (kind: (typeof removedKinds)[number], rows: number) => void;
}
