import type { Bench } from '../bench-context.js';
import { bigSystem } from './big-system.js';

interface Sizes {
  readonly keys: number;
  readonly keysIndex: number;
  readonly events: number;
  readonly eventsIndexes: number;
}

/** What an event takes on disk in Postgres, with its key and its indexes. */
export async function runDiskCase(bench: Bench): Promise<void> {
  const { system, history } = await bigSystem(bench);
  const { rows } = await system.database.pool.query<Sizes>(`
    select pg_table_size('event_keys')::float8 as keys, pg_indexes_size('event_keys')::float8 as "keysIndex",
           sum(pg_table_size(relid))::float8 as events, sum(pg_indexes_size(relid))::float8 as "eventsIndexes"
    from pg_partition_tree('events') where isleaf`);
  const sizes = rows[0] as Sizes;
  const each = (bytes: number) => Math.round(bytes / history.events);
  bench.add({
    name: 'disk',
    exact: true,
    more: {
      bytesPerEvent: each(Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0)),
      key: each(sizes.keys),
      keyIndex: each(sizes.keysIndex),
      row: each(sizes.events),
      rowIndexes: each(sizes.eventsIndexes),
    },
  });
}
