import { beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import type { Queries } from '../src/queries.js';
import { reconcile } from '../src/rpc/reconcile.js';
import type { Statements } from '../src/sql/database.js';
import { makeStream, openFixture, type QueryFixture } from './query-fixture.js';

let fixture: QueryFixture;
const openOwn = async () => {
  fixture = await openFixture();
  return () => fixture.close();
};

const sql = (text: string) => fixture.database.pool.query(text);

/** What was found, in short: `lost_positions 3,4`. */
async function differences(queries: Queries = fixture.queries): Promise<string[]> {
  const { ok, differences: found } = await reconcile(queries);
  expect(ok).toBe(found.length === 0);
  return found.map(({ what, positions }) => `${what} ${positions.join()}`.trim());
}

/** Ten positions of every kind, all settled, and all messages gone from the stream. */
async function settleTen(): Promise<void> {
  await fixture.openEpoch();
  await fixture.send(10);
  await fixture.store(...[1, 2, 3, 4].map((position) => ({ position })));
  await fixture.store({ position: 5, eventId: 'e1' }, { position: 6, eventId: 'e2', payload: '{"other":1}' });
  await fixture.storeTally(7, 'orders', ['e1', 'e2', 'e3']);
  await fixture.deadLetter(8, 'orders', 'dead');
  await fixture.store({ position: 9 }, { position: 10, topic: 'refunds' });
  await fixture.advance(10);
  await fixture.jsm.streams.purge(fixture.names.stream);
}

describe('a settled system', () => {
  beforeAll(async () => {
    const close = await openOwn();
    await settleTen();
    return close;
  });

  /** Makes the change, audits, and takes it back. */
  async function auditAfter(change: string): Promise<string[]> {
    const client = await fixture.pool.connect();
    const statements: Statements = {
      query: async (text, values = []) => (await client.query(text, [...values])).rows,
    };
    await client.query('begin isolation level repeatable read');
    try {
      await client.query(change);
      const auditDatabase = {
        ...fixture.queries.auditDatabase,
        inSnapshot: <T>(work: (of: Statements) => Promise<T>) => work(statements),
      };
      return await differences({ ...fixture.queries, auditDatabase });
    } finally {
      await client.query('rollback');
      client.release();
    }
  }

  it('adds up, counted either way', async () => {
    const result = await reconcile(fixture.queries);
    expect(result).toMatchObject({
      ok: true,
      differences: [],
      watermark: 10n,
      lastPosition: 10n,
      brokerChecked: true,
      counters: {
        received: 12n,
        uniqueProcessed: 6n,
        duplicateDropped: 5n,
        conflicts: 1n,
        deadLettered: 1n,
        inFlight: 0n,
      },
    });
    expect(result.rows).toEqual(result.counters);
  });
  it.each([
    ['delete from events where position = 3', ['missing_events 3']],
    [
      'delete from event_keys where position = 3',
      ['unique_processed', 'unique_by_topic', 'events_without_key 3', 'lost_positions 3'],
    ],
    ['delete from refused where position = 5', ['duplicate_dropped', 'lost_positions 5']],
    ['delete from refused where position = 6', ['duplicate_dropped', 'conflicts', 'lost_positions 6']],
    ['update refused set conflict = true', ['conflicts']],
    ['delete from tallies', ['duplicate_dropped', 'lost_positions 7']],
    ['update tallies set copies = 2', ['duplicate_dropped']],
    ['delete from dead_letters', ['dead_lettered', 'lost_positions 8']],
    [
      "update topic_counters set unique_count = unique_count + 1 where topic = 'orders'",
      ['unique_processed', 'unique_by_topic', 'minute_counters'],
    ],
    [
      "update topic_counters set unique_count = unique_count + case topic when 'orders' then 1 when 'refunds' then -1 else 0 end",
      ['unique_by_topic', 'minute_counters'],
    ],
    [
      "update topic_counters set duplicate_count = duplicate_count - 1 where topic = 'orders'",
      ['duplicate_dropped', 'minute_counters'],
    ],
    ['update topic_counters set conflict_count = 0', ['conflicts', 'minute_counters']],
    ["update minute_counters set unique_count = unique_count + 1 where topic = 'orders'", ['minute_counters']],
    ["delete from minute_counters where topic = 'refunds'", ['minute_counters']],
    ['update events set position = 99 where position = 3', ['missing_events 3', 'events_without_key 99']],
    ["update events set topic = 'elsewhere' where position = 3", ['missing_events 3', 'events_without_key 3']],
    [
      "update events set received_at = received_at + interval '1 second' where position = 3",
      ['missing_events 3', 'events_without_key 3'],
    ],
    ['insert into replays select 5, now(), 1', ['double_positions 5']],
    ['update refused set position = 4 where position = 5', ['lost_positions 5', 'double_positions 4']],
    ['update watermark set position = 12', ['lost_positions 11,12']],
  ])('does not add up after: %s', async (change, expected) => {
    expect(await auditAfter(change)).toEqual(expected);
  });
});

describe('a system of its own', () => {
  beforeEach(openOwn);

  test('a system where nothing happened yet adds up', async () => {
    expect(await reconcile(fixture.queries)).toMatchObject({
      ok: true,
      differences: [],
      watermark: 0n,
      brokerChecked: true,
    });
  });

  test('keys whose day has been dropped are expired, not missing', async () => {
    await fixture.openEpoch();
    await fixture.send(2);
    const yesterday = new Date(Date.now() - 86_400_000).toISOString();
    await fixture.store({ position: 1, receivedAt: yesterday }, { position: 2 });
    await fixture.advance(2);
    const partition = `events_${yesterday.slice(0, 10).replaceAll('-', '')}`;
    await sql(`delete from ${partition}`);
    expect(await differences()).toEqual(['missing_events 1']);
    await sql(`drop table ${partition}`);
    expect(await differences()).toEqual([]);
  });

  describe('what the broker holds', () => {
    it('is not lost while it waits there, nor once it has a row', async () => {
      await fixture.openEpoch();
      await fixture.send(6);
      await fixture.store({ position: 1 }, { position: 2 }, { position: 5 });
      await fixture.advance(1, 6);
      // 5 has left the stream out of turn, 3, 4 and 6 wait; 2 is stored and not acked yet.
      await fixture.leave(1, 5);
      expect(await reconcile(fixture.queries)).toMatchObject({
        ok: true,
        lastPosition: 6n,
        counters: { received: 6n, inFlight: 3n },
      });
    });

    it('is lost when it has left the stream without a row, at its front or in its middle', async () => {
      await fixture.openEpoch();
      await fixture.send(8);
      await fixture.store({ position: 1 }, { position: 3 });
      await fixture.advance(1, 8);
      await fixture.leave(1, 2, 3, 5, 7);
      await fixture.store({ position: 7 });
      expect(await differences()).toEqual(['lost_positions 2', 'lost_positions 5']);
    });

    it('is lost when the stream is empty and rows are missing', async () => {
      await fixture.openEpoch();
      await fixture.send(4);
      await fixture.store({ position: 1 }, { position: 4 });
      await fixture.jsm.streams.purge(fixture.names.stream);
      expect(await differences()).toEqual(['lost_positions 2,3']);
    });

    it('is not compared while NATS is away, and the rows still are', async () => {
      await settleTen();
      await sql('delete from dead_letters');
      await fixture.link.close();
      await waitUntil('the link to be down', () => fixture.link.connection() === undefined);
      expect(await reconcile(fixture.queries)).toMatchObject({
        ok: false,
        brokerChecked: false,
        differences: [{ what: 'dead_lettered' }, { what: 'lost_positions' }],
      });
    });

    it('is not compared while its epoch is not open, and is once it opens', async () => {
      await settleTen();
      await fixture.jsm.streams.delete(fixture.names.stream);
      await makeStream(fixture.jsm, fixture.names);
      await fixture.send(2);
      expect(await reconcile(fixture.queries)).toMatchObject({ ok: true, brokerChecked: false });
      let looks = 0;
      const lastPosition = {
        ...fixture.queries.lastPosition,
        async read() {
          // Between its first look and its second one.
          if (++looks === 2) await fixture.openEpoch();
          return await fixture.queries.lastPosition.read();
        },
      };
      const asked = await reconcile({ ...fixture.queries, lastPosition });
      expect(asked).toMatchObject({ ok: true, brokerChecked: true, lastPosition: 12n });
    });

    it('is not compared while it is behind what a worker saw', async () => {
      await settleTen();
      await fixture.advance(10, 13);
      expect(await reconcile(fixture.queries)).toMatchObject({ ok: true, brokerChecked: false });
    });
  });

  describe('a new epoch', () => {
    it('leaves the positions lost that were given out and never stored', async () => {
      await fixture.openEpoch();
      await fixture.send(5);
      await fixture.store({ position: 1 }, { position: 3 });
      await fixture.advance(1, 5);
      await fixture.jsm.streams.delete(fixture.names.stream);
      await makeStream(fixture.jsm, fixture.names);
      await fixture.openEpoch('made anew');
      await fixture.send(1);
      expect(await differences()).toEqual(['lost_positions 2,4,5']);
      await fixture.store({ position: 6 });
      await fixture.advance(6);
      expect(await differences()).toEqual(['lost_positions 2,4,5']);
    });

    it('does not leave lost what an older copy of the same stream brought back', async () => {
      await fixture.openEpoch();
      await fixture.send(5);
      await fixture.store({ position: 1 }, { position: 2 });
      // Position 9 was given out, and the stream put back ends at 5: sequences 3 to 5 become positions 12 to 14.
      await fixture.advance(2, 9);
      await fixture.openEpoch('went back');
      await sql('insert into replays values (10, now(), 1), (11, now(), 2)');
      await fixture.store({ position: 12 });
      expect(await differences()).toEqual(['lost_positions 6,7,8,9']);
      await fixture.store({ position: 13 }, { position: 14 });
      await fixture.advance(14);
      expect(await differences()).toEqual(['lost_positions 6,7,8,9']);
      // Sequence 6 is given out again: a new message, not the one that had position 6.
      await fixture.send(1);
      await fixture.store({ position: 15, receivedAt: new Date().toISOString() });
      await fixture.advance(15);
      expect(await differences()).toEqual(['lost_positions 6,7,8,9']);
    });
  });

  test('nothing is reported lost while copies come in, are stored, acked and counted', async () => {
    await fixture.openEpoch();
    const count = 120;
    let done = false;
    let audits = 0;
    const working = (async () => {
      for (let i = 1; i <= count || audits <= 5; i += 3) {
        await fixture.send(3);
        await fixture.store({ position: i + 1, eventId: `e${i % 20}` }, { position: i + 2 });
        await fixture.leave(i + 1, i + 2);
        await fixture.store({ position: i });
        await fixture.leave(i);
        await fixture.advance(i + 2);
      }
      done = true;
    })();
    try {
      while (!done) {
        const { differences: found, brokerChecked } = await reconcile(fixture.queries);
        expect(found).toEqual([]);
        expect(brokerChecked).toBe(true);
        audits++;
      }
    } finally {
      audits = Number.POSITIVE_INFINITY;
      await working;
    }
  });
});
