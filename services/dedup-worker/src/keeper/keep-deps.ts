import type { removedKinds } from '@eventsieve/contract/metric-names';
import type { Pool } from 'pg';
import type { Retention } from './retention.js';

export interface KeepDeps {
  readonly pool: Pool;
  readonly retention: Retention;
  /** The highest position that the stream has given out, asked of the broker now; undefined when it cannot be asked. */
  readonly givenOut: () => Promise<bigint | undefined>;
  /** Committed. */
  readonly removed: (kind: (typeof removedKinds)[number], rows: number) => void;
}
