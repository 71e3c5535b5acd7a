import { setTimeout as delay } from 'node:timers/promises';
import { createClient, type Stats } from '@eventsieve/client';

const storedWithinMs = 60_000;

/** What the server of a run that nobody else published to has to say of it; problems are sentences. */
export async function checkCounts(query: string, ok: number): Promise<{ line: string; problems: string[] }> {
  const client = createClient({ query });
  try {
    const { lifetime } = await untilStored(() => client.stats());
    const { received, uniqueProcessed, duplicateDropped, deadLettered, inFlight } = lifetime;
    const problems: string[] = [];
    if (received !== ok) problems.push(`ghz got ${ok} answers, the server counted ${received} copies.`);
    if (uniqueProcessed !== ok)
      problems.push(`${ok} events have ids of their own, the server stored ${uniqueProcessed}.`);
    const { ok: straight, differences } = await client.reconcile({ timeoutMs: 60_000 });
    if (!straight) problems.push(...differences.map(({ what, message }) => `reconcile: ${what}: ${message}`));
    return {
      line: `server: received ${received}, stored ${uniqueProcessed}, duplicates ${duplicateDropped}, dead letters ${deadLettered}, in flight ${inFlight}, reconcile ${straight ? 'ok' : 'not ok'}`,
      problems,
    };
  } finally {
    client.close();
  }
}

async function untilStored(read: () => Promise<Stats>): Promise<Stats> {
  const giveUpAt = Date.now() + storedWithinMs;
  for (;;) {
    const stats = await read();
    if (stats.lifetime.inFlight === 0 || Date.now() > giveUpAt) return stats;
    await delay(100);
  }
}
