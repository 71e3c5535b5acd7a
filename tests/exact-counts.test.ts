import { Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { expect, test } from 'vitest';
import { auditedTotals, drained, expectAllStored } from './support/exactness.js';
import { planCopies, sendAll } from './support/publishers.js';
import { startSystem } from './support/system.js';

const copies = 20_000;
const repeatRate = 0.3;

test.each([
  { workers: 1, waitFor: WaitFor.WAIT_FOR_BROKER },
  { workers: 3, waitFor: WaitFor.WAIT_FOR_BROKER },
  { workers: 3, waitFor: WaitFor.WAIT_FOR_STORED },
])(
  '20,000 copies with 30 % repeats over 50 connections are counted exactly: $workers workers, wait $waitFor',
  async ({ workers, waitFor }) => {
    const system = await startSystem({ workers });
    try {
      const plan = planCopies(copies, repeatRate, 'run');
      expect(new Set(plan.map(({ topic, eventId }) => `${topic}/${eventId}`)).size).toBe(copies * (1 - repeatRate));

      const { answered } = await sendAll(plan, { connections: 50, batchSize: 20, waitFor, makeClient: system.ingest });
      expect(answered).toHaveLength(copies);
      await drained(system, 1);

      expect(await auditedTotals(system.database)).toMatchObject({
        unique: 14_000,
        duplicates: 6_000,
        conflicts: 0,
        dead: 0,
      });
      await expectAllStored(system.database, answered);
      expect(await read(`${system.http}/stats`)).toMatchObject({
        received: copies,
        unique_processed: 14_000,
        duplicate_dropped: 6_000,
        deduplication_rate: 30,
        in_flight: 0,
        topics: ['auth', 'orders.eu', 'payment'],
      });
      expect(await read(`${system.http}/stats/reconcile`)).toMatchObject({
        ok: true,
        differences: [],
        broker_checked: true,
      });
      if (waitFor === WaitFor.WAIT_FOR_STORED) {
        const stored = answered.filter(({ outcome }) => outcome === Outcome.OUTCOME_STORED);
        expect(stored).toHaveLength(14_000);
      }
    } finally {
      await system.stop();
    }
  },
  120_000,
);

async function read(url: string): Promise<unknown> {
  return (await fetch(url)).json();
}
