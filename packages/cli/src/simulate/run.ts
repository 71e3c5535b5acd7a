import { type Copy, DeliveryError, type Target } from '../targets/target.js';
import { deliver } from './deliver.js';
import { collectLate, settle } from './late-verdicts.js';
import { type Latencies, recordLatencies } from './latency.js';
import type { SimulateOptions } from './options.js';
import { planRun } from './plan.js';

/** What has come of a run so far. The verdicts are sums of the server's. */
export interface Tally {
  readonly delivered: number;
  readonly received: number;
  readonly accepted: number;
  readonly inserted: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLettered: number;
  /** Taken, but the verdict did not come in time, nor afterwards. */
  readonly undecided: number;
  readonly errors: number;
  readonly timeouts: number;
  /** Copies that were sent again after an error. */
  readonly resent: number;
  readonly elapsedMs: number;
  readonly latencies: Latencies;
  /** The last failure of a request. */
  readonly lastError: string | undefined;
  /** Why the run ended before its end. */
  readonly failure: string | undefined;
}

const summed = ['received', 'accepted', 'inserted', 'duplicates', 'conflicts'] as const;

export interface Run {
  readonly finished: Promise<void>;
  tally(): Tally;
}

export function runSimulation(options: SimulateOptions, target: Target): Run {
  const { count, repeats, concurrency, batchSize } = options;
  const plan = planRun(options);
  const sums = { received: 0, accepted: 0, inserted: 0, duplicates: 0, conflicts: 0, deadLettered: 0, undecided: 0 };
  const trouble = { errors: 0, timeouts: 0, resent: 0 };
  const late = collectLate(count - repeats);
  const latencies = recordLatencies();
  const started = performance.now();
  let endedAt: number | undefined;
  let lastError: string | undefined;
  let failure: string | undefined;
  let delivered = 0;
  let next = 0;

  const watch = {
    answered: latencies.add,
    failed(error: DeliveryError, copies: number, again: boolean) {
      if (error.timedOut) trouble.timeouts++;
      else trouble.errors++;
      lastError = error.message;
      if (again) trouble.resent += copies;
    },
  };

  async function sendOneAfterTheOther(): Promise<void> {
    while (next < count && failure === undefined) {
      const copies: Copy[] = [];
      while (next < count && copies.length < batchSize) copies.push(plan(next++));
      try {
        const verdicts = await deliver(target, copies, watch);
        delivered += copies.length;
        for (const key of summed) sums[key] += verdicts[key];
        for (const [index, copy] of copies.entries()) {
          const outcome = verdicts.outcomes[index];
          if (outcome === 'dead_lettered') sums.deadLettered++;
          if (outcome === 'accepted') sums.undecided++;
          if (options.wait === 'stored') late.note(copy, outcome);
        }
      } catch (error) {
        if (!(error instanceof DeliveryError)) throw error;
        failure ??= error.message;
      }
    }
  }

  const senders = Array.from({ length: Math.min(concurrency, Math.ceil(count / batchSize)) }, sendOneAfterTheOther);
  const finished = Promise.all(senders).then(async () => {
    endedAt = performance.now();
    // An event of a seed may have been stored by a run before: then a look at it says nothing of this one's copies.
    if (!options.seeded) settle(sums, await late.lookUpAll(target));
  });
  return {
    finished,
    tally: () => ({
      ...sums,
      ...trouble,
      delivered,
      lastError,
      failure,
      latencies,
      elapsedMs: (endedAt ?? performance.now()) - started,
    }),
  };
}
