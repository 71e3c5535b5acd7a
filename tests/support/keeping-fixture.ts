import { expect } from 'vitest';
import { keepsWithin } from '../../services/dedup-worker/src/keeper/keep.js';
import type { KeepDeps } from '../../services/dedup-worker/src/keeper/keep-deps.js';
import type { Retention } from '../../services/dedup-worker/src/keeper/retention.js';
import { reconcile } from '../../services/query/src/rpc/reconcile.js';
import { openFixture, type QueryFixture, type StoredCopy } from '../../services/query/tests/query-fixture.js';

export const dayMs = 86_400_000;
const forEver: Retention = {
  eventsMs: undefined,
  keysMs: undefined,
  refusedMs: undefined,
  deadLettersMs: undefined,
  seriesMs: undefined,
  lookEveryMs: 1_000,
};

export const daysAgo = (days: number) => new Date(Date.now() - days * dayMs).toISOString();
export const partitionOf = (days: number) => `events_${daysAgo(days).slice(0, 10).replaceAll('-', '')}`;

export type KeepingFixture = Awaited<ReturnType<typeof openKeepingFixture>>;

/** A database with copies of days long past in it, a stream, and the chore that removes what is too old. */
export async function openKeepingFixture() {
  const fixture: QueryFixture = await openFixture();
  await fixture.openEpoch();
  let sent = 0;

  async function differences(): Promise<string[]> {
    const { differences: found } = await reconcile(fixture.queries);
    return found.map(({ what, positions }) => `${what} ${positions.join()}`.trim());
  }

  /** Everything up to here is committed, acked and counted by source. */
  async function settle(position: number): Promise<void> {
    if (position > sent) await fixture.send(position - sent);
    sent = Math.max(sent, position);
    await fixture.advance(position);
    await fixture.jsm.streams.purge(fixture.names.stream);
    while (await fixture.database.value<boolean>('select roll_up_v1(20000)'));
  }

  return {
    ...fixture,
    differences,
    settle,
    sql: (text: string, values: unknown[] = []) => fixture.database.pool.query(text, values),
    count: (from: string) => fixture.database.value<number>(`select count(*)::int from ${from}`),
    exists: (table: string) => fixture.database.value<boolean>('select to_regclass($1) is not null', [table]),
    /** To the stream, and nobody stores it yet. */
    async sendOne(): Promise<void> {
      sent = await fixture.send(1);
    },
    /** Stores copies that came so many days ago. */
    async storeFrom(days: number, ...copies: readonly Omit<StoredCopy, 'receivedAt'>[]): Promise<void> {
      const receivedAt = daysAgo(days);
      await fixture.database.pool.query('select ensure_event_partition_v1($1::timestamptz::date)', [receivedAt]);
      await fixture.store(...copies.map((copy) => ({ ...copy, receivedAt })));
      await settle(Math.max(...copies.map(({ position }) => position)));
    },
    /** A worker's chore. Each step of it `toTheEnd` leaves an audit clean. */
    keeping(retention: Partial<Retention>, deps: Partial<KeepDeps> = {}) {
      const removed: Record<string, number> = {};
      const chore = keepsWithin({
        pool: fixture.pool,
        retention: { ...forEver, ...retention },
        givenOut: async () => BigInt(sent),
        removed(kind, rows) {
          if (rows > 0) removed[kind] = (removed[kind] ?? 0) + rows;
        },
        ...deps,
      });
      return {
        removed,
        step: () => chore.step(),
        async toTheEnd(): Promise<Record<string, number>> {
          for (let more = true, steps = 0; more; steps++) {
            if (steps > 100) throw new Error('there is no end to it');
            more = await chore.step();
            expect(await differences()).toEqual([]);
          }
          return removed;
        },
      };
    },
  };
}
