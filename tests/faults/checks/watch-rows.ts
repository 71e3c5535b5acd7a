import type { World } from '../world/world.js';
import { findingOf } from './finding.js';
import type { Watcher } from './watch-counts.js';

const everyMs = 500;
const rowsEach = 40;
const selectRows = 'select position::text, md5(e::text) as print from events e';

/** I3: a row that was once seen is the same at the end. */
export function watchRows({ direct }: World): Watcher {
  const seen = new Map<string, string>();
  let stopped = false;
  const running = (async () => {
    while (!stopped) {
      const look = direct.pool.query<{ position: string; print: string }>(
        `${selectRows} order by position desc limit ${rowsEach}`,
      );
      const rows = await look.then((found) => found.rows).catch(() => []);
      for (const { position, print } of rows) seen.set(position, print);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    async stop() {
      stopped = true;
      await running;
      const { rows } = await direct.pool.query<{ position: string; print: string }>(
        `${selectRows} where position = any ($1)`,
        [[...seen.keys()]],
      );
      const now = new Map(rows.map(({ position, print }) => [position, print]));
      const changed = [...seen]
        .filter(([position, print]) => now.get(position) !== print)
        .map(([position]) => position);
      return findingOf('I3', 'stored rows that changed or went', changed);
    },
  };
}
