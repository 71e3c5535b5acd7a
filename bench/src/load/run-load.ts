import { type Numbers, numbersWith } from './events.js';
import { createLatencies } from './latencies.js';
import type { LoadPlan, LoadResult } from './plan.js';

/** What one call was answered with. */
export interface Answer {
  readonly received: number;
  readonly duplicates: number;
}

export interface Door {
  /** Sends one call's worth; `lane` says over which connection. */
  send(lane: number, next: Numbers['next']): Promise<Answer>;
  close(): void;
}

/** Keeps `inFlight` calls under way, or begins them by the clock, until the time is over; then waits for all. */
export async function runLoad(plan: LoadPlan, door: Door): Promise<LoadResult> {
  const numbers = numbersWith(plan.repeats, plan.firstRound);
  const latencies = createLatencies();
  const cpuBefore = process.cpuUsage();
  const begunAtMs = performance.now();
  const endAtMs = begunAtMs + plan.seconds * 1000;
  let calls = 0;
  let copies = 0;
  let duplicates = 0;
  let failures = 0;
  let failure = '';
  let sent = 0;

  const wanted = () => performance.now() < endAtMs && sent < (plan.maxCopies ?? Number.POSITIVE_INFINITY);

  async function call(lane: number, fromMs: number): Promise<void> {
    sent += plan.batch;
    try {
      const answer = await door.send(lane, numbers.next);
      latencies.add(performance.now() - fromMs);
      calls++;
      copies += answer.received;
      duplicates += answer.duplicates;
    } catch (error) {
      failures++;
      failure = String(error);
    }
  }

  if (plan.callsPerSecond === undefined) {
    const lanes = Array.from({ length: plan.inFlight }, async (_, lane) => {
      while (wanted()) await call(lane, performance.now());
    });
    await Promise.all(lanes);
  } else {
    const gapMs = 1000 / plan.callsPerSecond;
    const underWay = new Set<Promise<void>>();
    for (let index = 0; wanted(); index++) {
      const dueMs = begunAtMs + index * gapMs;
      const earlyMs = dueMs - performance.now();
      if (earlyMs > 0) await new Promise((resolve) => setTimeout(resolve, earlyMs));
      const one = call(index, dueMs).finally(() => underWay.delete(one));
      underWay.add(one);
    }
    await Promise.all(underWay);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    calls,
    copies,
    duplicates,
    fresh: numbers.fresh(),
    nextRound: numbers.nextRound(),
    failures,
    failure,
    seconds: (performance.now() - begunAtMs) / 1000,
    latency: latencies.percentiles(),
    cpuSeconds: (user + system) / 1e6,
  };
}
