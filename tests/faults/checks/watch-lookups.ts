import { keyOf, type Ledger } from '../load/ledger.js';
import type { Random } from '../random.js';
import type { World } from '../world/world.js';
import { type Finding, findingOf } from './finding.js';
import type { RowsOfId } from './rows.js';

export interface LookupWatcher {
  /** How many look-ups were answered, and how many of them with "never seen". */
  asked(): { readonly answered: number; readonly neverSeen: number };
  stop(): Promise<void>;
  check(rows: ReadonlyMap<string, RowsOfId>): Finding[];
}

const recent = 400;
const pauseMs = 15;
/** A broker that was paused may have stamped a message this long before it took it. */
const stampSlackMs = 6_000;

/** Asks what became of ids that are being published. "Never seen" must not be said of one that the broker had taken. */
export function watchLookups({ direct }: World, ledger: Ledger, random: Random): LookupWatcher {
  const neverSeen: { readonly key: string; readonly askedAtMs: number; readonly wasAnswered: boolean }[] = [];
  const faults: string[] = [];
  let answered = 0;
  let stopped = false;

  async function ask(): Promise<void> {
    const entries = [...ledger.entries.values()].slice(-recent);
    if (entries.length === 0) return;
    const entry = random.pick(entries);
    const askedAtMs = Date.now();
    const wasAnswered = entry.answeredAtMs !== undefined;
    const path = `/events/${encodeURIComponent(entry.topic)}/${encodeURIComponent(entry.eventId)}`;
    const response = await fetch(direct.http + path, { signal: AbortSignal.timeout(5_000) });
    const text = await response.text();
    if (response.status === 500) faults.push(text);
    if (response.status === 200 || response.status === 404) answered++;
    if (response.status === 404) neverSeen.push({ key: keyOf(entry), askedAtMs, wasAnswered });
  }

  const running = (async () => {
    while (!stopped) {
      await ask().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  return {
    asked: () => ({ answered, neverSeen: neverSeen.length }),
    async stop() {
      stopped = true;
      await running;
    },
    check(rows) {
      const denied = neverSeen.flatMap(({ key, askedAtMs, wasAnswered }) => {
        const takenAtMs = rows.get(key)?.firstReceivedAtMs ?? Number.POSITIVE_INFINITY;
        if (wasAnswered) return [`${key} had been answered with success`];
        return takenAtMs < askedAtMs - stampSlackMs ? [`${key} was taken ${askedAtMs - takenAtMs} ms before`] : [];
      });
      return [
        ...findingOf('look-up', 'said to be never seen, though the broker had taken it', denied),
        ...findingOf('look-up', 'answered 500', faults),
      ];
    },
  };
}
