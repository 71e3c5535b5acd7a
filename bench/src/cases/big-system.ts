import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../bench-context.js';
import type { System } from '../world/system.js';
import { type History, loadAndSettle, newHistory, resultOf, verified } from './measure-load.js';

/** A system with five million events, which several cases look at. */
export interface BigSystem {
  readonly system: System;
  readonly history: History;
}

const million = 1_000_000;
const measuredAt = [0, 1, 2, 5].map((millions) => millions * million);
const plan = { door: 'grpc', payload: 'json' } as const;
// With millions of keys the broker's collector has much to do every half a minute or so, and so have checkpoints.
const timesAsLongAtLast = 4;

const rolledUpWithinMs = 300_000;

async function rolledUp({ database }: System): Promise<void> {
  const giveUpAtMs = performance.now() + rolledUpWithinMs;
  const waiting = 'select (w.position - r.position)::float8 as count from watermark w, rollup r';
  while (((await database.pool.query<{ count: number }>(waiting)).rows[0]?.count ?? 0) > 0) {
    if (performance.now() > giveUpAtMs) throw new Error('the roll-up does not come after the events');
    await delay(200);
  }
}

/** Filled through the front door, and measured on the way: how fast events are stored as keys grow in number. */
export function bigSystem(bench: Bench): Promise<BigSystem> {
  return bench.once('big', async () => {
    const system = await bench.startSystem();
    bench.atEnd(system.stop);
    const history = newHistory();
    let first: number | undefined;
    for (const keys of measuredAt) {
      if (history.events < keys) {
        bench.settings.say(`filling up to ${keys / million} million events`);
        await loadAndSettle(bench, system, history, { ...plan, seconds: 900, maxCopies: keys - history.events });
      }
      if (keys === 0) await loadAndSettle(bench, system, history, { ...plan, seconds: 3 });
      const last = keys === measuredAt.at(-1);
      const seconds = bench.settings.seconds * (last ? timesAsLongAtLast : 1);
      const measured = await loadAndSettle(bench, system, history, { ...plan, seconds });
      first ??= measured.settledPerSecond;
      bench.add({
        ...resultOf(last ? 'growth' : `growth-${keys / million}m`, measured),
        exact: true,
        ...(last ? await verified(system, history) : {}),
        ratio: measured.settledPerSecond / first,
        of: 'growth-0m',
        more: { keys },
      });
    }
    // Reads are asked of a store at rest: without the counting by source, the writing out and the vacuum of what the loads
    // above left.
    await rolledUp(system);
    await system.database.pool.query('vacuum analyze');
    await system.database.pool.query('checkpoint');
    return { system, history };
  });
}
