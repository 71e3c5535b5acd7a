import type { World } from '../world/world.js';
import type { Finding } from './finding.js';

/** A watcher looks at a running world until it is told to stop. */
export interface Watcher {
  stop(): Promise<Finding[]>;
}

const growing = [
  'received',
  'redriven',
  'unique_processed',
  'duplicate_dropped',
  'conflicts',
  'dead_lettered',
] as const;
type Counts = Readonly<Record<(typeof growing)[number] | 'in_flight', number>>;
const everyMs = 100;
const maxFindings = 5;

/** P3 while everything breaks: in each answer of /stats the sum holds, and what only grows never goes down. */
export function watchCounts({ direct }: World, { receivedMayFall = false } = {}): Watcher & { readings(): number } {
  const findings: Finding[] = [];
  let readings = 0;
  let last: Counts | undefined;
  let stopped = false;
  const find = (what: string) => {
    if (findings.length < maxFindings) findings.push({ check: 'P3', what });
  };

  async function look(): Promise<void> {
    const response = await fetch(`${direct.http}/stats`, { signal: AbortSignal.timeout(5_000) });
    if (response.status === 500) find(`/stats answered 500: ${await response.text()}`);
    if (!response.ok) return void (await response.body?.cancel());
    const now = (await response.json()) as Counts;
    readings++;
    const settled = now.unique_processed + now.duplicate_dropped + now.dead_lettered;
    if (now.received + now.redriven !== settled + now.in_flight) find(`does not add up: ${JSON.stringify(now)}`);
    for (const name of growing) {
      if (name === 'received' && receivedMayFall) continue;
      if (last && now[name] < last[name]) find(`${name} fell from ${last[name]} to ${now[name]}`);
    }
    last = now;
  }

  const running = (async () => {
    while (!stopped) {
      // The query service may be down: then there is nothing to read.
      await look().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    readings: () => readings,
    async stop() {
      stopped = true;
      await running;
      return findings;
    },
  };
}
