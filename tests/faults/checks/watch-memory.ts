import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { World } from '../world/world.js';
import type { Finding } from './finding.js';
import type { Watcher } from './watch-counts.js';

const run = promisify(execFile);
const everyMs = 1_000;

/** MiB that no process of its kind may exceed, whatever happens. */
export const memoryLimitsMib = { gateway: 600, 'dedup-worker': 600, query: 600 } as const;

/** I8: the memory of every process stays under its limit. */
export function watchMemory(world: World): Watcher & { readonly peakMib: ReadonlyMap<string, number> } {
  const peakMib = new Map<string, number>();
  let stopped = false;

  async function look(): Promise<void> {
    const nameOf = new Map(
      world.services.flatMap(({ pid, name }) => (pid === undefined ? [] : [[pid, name] as const])),
    );
    if (nameOf.size === 0) return;
    const { stdout } = await run('ps', ['-o', 'pid=,rss=', '-p', [...nameOf.keys()].join(',')]);
    for (const line of stdout.trim().split('\n')) {
      const [pid = 0, kib = 0] = line.trim().split(/\s+/).map(Number);
      const name = nameOf.get(pid);
      if (name !== undefined) peakMib.set(name, Math.max(peakMib.get(name) ?? 0, Math.round(kib / 1024)));
    }
  }

  const running = (async () => {
    while (!stopped) {
      await look().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    peakMib,
    async stop() {
      stopped = true;
      await running;
      return world.services.flatMap(({ kind, name }): Finding[] => {
        const peak = peakMib.get(name) ?? 0;
        const limit = memoryLimitsMib[kind];
        return peak > limit ? [{ check: 'I8', what: `${name} took ${peak} MiB, more than ${limit}` }] : [];
      });
    },
  };
}
