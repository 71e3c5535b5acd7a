import type { Random } from '../random.js';
import type { Fault, FaultContext } from './fault.js';

export interface FaultLog {
  readonly byKind: Map<string, number>;
  readonly broken: string[];
}

export interface FaultPlan {
  readonly faults: readonly Fault[];
  /** How many may be broken at once. */
  readonly lines: number;
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
}

/** One fault after the other, on as many lines as the plan says, until the round ends; all is mended then. */
export async function runFaults(
  plan: FaultPlan,
  random: Random,
  contextOf: (random: Random) => FaultContext,
  log: FaultLog,
): Promise<void> {
  const busy = new Set<string>();

  async function line(index: number): Promise<void> {
    const own = random.fork(`faults ${index}`);
    const context = contextOf(own);
    while (!context.ending()) {
      await context.sleep(own.whole(plan.minPauseMs, plan.maxPauseMs));
      if (context.ending()) return;
      const fault = own.pick(plan.faults);
      const target = fault.target(context);
      // Two faults of one part at once would mend each other.
      const words = target.split(' and ');
      if ([...busy].some((taken) => words.some((word) => taken.startsWith(word) || word.startsWith(taken)))) continue;
      for (const word of words) busy.add(word);
      log.byKind.set(fault.kind, (log.byKind.get(fault.kind) ?? 0) + 1);
      try {
        await fault.run(context, target);
      } catch (error) {
        // A fault that needs a part which is broken at the moment.
        if (!context.ending()) log.broken.push(`${fault.kind}: ${String(error)}`.slice(0, 200));
      } finally {
        for (const word of words) busy.delete(word);
      }
    }
  }
  await Promise.all(Array.from({ length: plan.lines }, (_, index) => line(index)));
}
