import { type Copy, DeliveryError, type Target } from '../targets/target.js';
import { deliver } from './deliver.js';
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
  /** Taken, but the verdict did not come in time. */
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

export interface Run {
  readonly finished: Promise<void>;
  tally(): Tally;
}

export function runSimulation(options: SimulateOptions, target: Target): Run {
  const { count, concurrency, batchSize } = options;
  const plan = planRun(options);
  const sums = { received: 0, accepted: 0, inserted: 0, duplicates: 0, conflicts: 0, deadLettered: 0, undecided: 0 };
  const trouble = { errors: 0, timeouts: 0, resent: 0 };
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
        for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += verdicts[key];
      } catch (error) {
        if (!(error instanceof DeliveryError)) throw error;
        failure ??= error.message;
      }
    }
  }

  const senders = Array.from({ length: Math.min(concurrency, Math.ceil(count / batchSize)) }, sendOneAfterTheOther);
  const finished = Promise.all(senders).then(() => {
    endedAt = performance.now();
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
