import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type Copy, DeliveryError, type Target } from '../targets/target.js';
import { deliver } from './deliver.js';
import { knownEvents } from './known-events.js';
import { collectLate, fateOf, giveUpTime } from './late-verdicts.js';
import { type Latencies, recordLatencies } from './latency.js';
import type { SimulateOptions } from './options.js';
import { planRun } from './plan.js';
import { type Sent, sentCopies } from './sent-copies.js';

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
  readonly sent: Sent;
  tally(): Tally;
}

export function runSimulation(options: SimulateOptions, target: Target, interrupted: AbortSignal): Run {
  const { count, repeats, concurrency, batchSize, rate } = options;
  const plan = planRun(options);
  const requests = plan.requests();
  const sums = { received: 0, accepted: 0, inserted: 0, duplicates: 0, conflicts: 0, deadLettered: 0, undecided: 0 };
  const trouble = { errors: 0, timeouts: 0, resent: 0 };
  const known = knownEvents(count - repeats);
  const late = collectLate(count - repeats);
  const sent = sentCopies(count - repeats);
  const latencies = recordLatencies();
  const started = performance.now();
  let endedAt: number | undefined;
  let lastError: string | undefined;
  let failure: string | undefined;
  let delivered = 0;
  let paced = 0;

  async function sendRequest(copies: readonly Copy[]): Promise<void> {
    if (copies.length === 0) return;
    const watch = {
      answered: latencies.add,
      failed(error: DeliveryError, failed: number, again: boolean) {
        if (error.timedOut) trouble.timeouts++;
        else trouble.errors++;
        lastError = error.message;
        if (again) trouble.resent += failed;
        // It may have been taken all the same.
        sent.doubt(copies);
      },
    };
    const verdicts = await deliver(target, copies, watch);
    delivered += copies.length;
    for (const key of summed) sums[key] += verdicts[key];
    for (const [index, copy] of copies.entries()) {
      const outcome = verdicts.outcomes[index];
      if (outcome !== 'rejected') sent.note(copy);
      if (outcome === 'stored') late.noteStored(copy.event);
      if (outcome === 'stored' || outcome === 'duplicate' || outcome === 'conflict') known.learn(copy.event);
      if (outcome === 'dead_lettered') sums.deadLettered++;
      if (outcome !== 'accepted') continue;
      sums.undecided++;
      if (options.wait === 'broker') continue;
      late.note(copy.event, copy.isConflict);
      if (options.conflicts > 0) known.doubt(copy.event);
    }
  }

  /** Whichever copy is stored first is the event: a conflict that came sooner would make conflicts of the others. */
  async function untilStored(event: number): Promise<void> {
    await known.wait(event);
    if (known.isKnown(event) || failure !== undefined || interrupted.aborted) return;
    const fate = await fateOf(event, plan, target, giveUpTime());
    if (fate === 'stored') return known.learn(event);
    throw new DeliveryError(`an event that was taken is ${fate} a minute later`, { retryable: false, timedOut: false });
  }

  async function inPace(copies: number): Promise<void> {
    const dueMs = rate === 0 ? 0 : (paced / rate) * 1000 - (performance.now() - started);
    paced += copies;
    if (dueMs > 0) await delay(dueMs, undefined, { signal: interrupted }).catch(() => undefined);
  }

  async function sendOneAfterTheOther(): Promise<void> {
    while (failure === undefined && !interrupted.aborted) {
      const next = requests.next();
      if (next.done === true) return;
      const copies = next.value;
      await inPace(copies.length);
      if (interrupted.aborted) return;
      try {
        const conflicts = copies.filter(({ isConflict }) => isConflict);
        await sendRequest(copies.filter(({ isConflict }) => !isConflict));
        for (const { event } of conflicts) await untilStored(event);
        if (conflicts.every(({ event }) => known.isKnown(event))) await sendRequest(conflicts);
      } catch (error) {
        if (!(error instanceof DeliveryError)) throw error;
        failure ??= error.message;
        known.giveUp();
      }
    }
  }

  // Each sender may wait with one.
  setMaxListeners(0, interrupted);
  // What somebody waits for may not be sent any more.
  interrupted.addEventListener('abort', known.giveUp, { once: true });
  const senders = Array.from({ length: Math.min(concurrency, Math.ceil(count / batchSize)) }, sendOneAfterTheOther);
  const finished = Promise.all(senders).then(async () => {
    endedAt = performance.now();
    // An event of a seed may have been stored by a run before: then a look at it says nothing of this one's copies.
    if (options.seeded) return;
    const found = await late.lookUpAll(plan, target);
    for (const key of ['inserted', 'duplicates', 'conflicts', 'deadLettered'] as const) sums[key] += found[key];
    sums.undecided -= found.inserted + found.duplicates + found.deadLettered;
  });
  return {
    finished,
    sent,
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
