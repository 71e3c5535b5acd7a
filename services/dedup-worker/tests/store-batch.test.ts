import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { deadLetter } from '../src/dead-letter.js';
import { ensurePartitions } from '../src/partitions.js';
import { sqlStateOf } from '../src/postgres-errors.js';
import { advanceWatermark, openEpoch } from '../src/sql/epochs.js';
import { storeBatch } from '../src/store-batch.js';
import { copyAt, someTimeUs, tallyAt } from './deliveries.js';

let database: TestDatabase;
const dayUs = 86_400_000_000n;

beforeAll(async () => {
  database = await createDatabase();
  await ensurePartitions(database.pool, [someTimeUs, someTimeUs + dayUs]);
});
afterAll(() => database.drop());

beforeEach(async () => {
  await database.pool.query(`
    truncate event_keys, events, refused, tallies, dead_letters, replays, topic_counters, minute_counters, epochs;
    update watermark set position = 0, known = 0`);
  await openEpoch(database.pool, 0, stream('stream-1', 0), 'first start');
});

const stream = (created: string, lastSequence = 0) => ({ created, firstSequence: 1, lastSequence });

const store = (...batch: Parameters<typeof storeBatch>[3]) => storeBatch(database.pool, 1, 0, batch);

interface Counts {
  readonly unique: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly dead: number;
}

const sums = `select sum(unique_count)::int as unique, sum(duplicate_count)::int as duplicates,
                     sum(conflict_count)::int as conflicts, sum(dead_letter_count)::int as dead`;

async function expectCounts(expected: Counts): Promise<void> {
  for (const table of ['topic_counters', 'minute_counters']) {
    const { rows } = await database.pool.query(`${sums} from ${table}`);
    expect(rows[0], table).toEqual(expected);
  }
  const { rows } = await database.pool.query(`
    select (select count(*)::int from event_keys) as unique,
           (select count(*)::int from refused) + (select coalesce(sum(copies), 0)::int from tallies) as duplicates,
           (select count(*)::int from refused where conflict) as conflicts,
           (select count(*)::int from dead_letters) as dead`);
  expect(rows[0], 'rows').toEqual(expected);
}

describe('what a copy is', () => {
  test('the first copy of an id is stored, a second one with the same content is a duplicate of it', async () => {
    expect(await store(copyAt({ position: 1 }))).toEqual(new Map());
    const judged = await store(copyAt({ position: 2 }));
    expect(judged.get(2n)).toEqual({ outcome: Outcome.OUTCOME_DUPLICATE, firstSeenAtUs: someTimeUs + 1n });
    await expectCounts({ unique: 1, duplicates: 1, conflicts: 0, dead: 0 });
  });

  test('another timestamp alone is no conflict; another payload or another source is', async () => {
    await store(copyAt({ position: 1 }));
    const judged = await store(
      copyAt({ position: 2, timestampUs: 1n }),
      copyAt({ position: 3, payload: '{"n":2}' }),
      copyAt({ position: 4, source: 'other' }),
    );
    expect([2n, 3n, 4n].map((position) => judged.get(position)?.outcome)).toEqual([
      Outcome.OUTCOME_DUPLICATE,
      Outcome.OUTCOME_CONFLICT,
      Outcome.OUTCOME_CONFLICT,
    ]);
    await expectCounts({ unique: 1, duplicates: 3, conflicts: 2, dead: 0 });
    expect(await database.value('select payload::text from events')).toBe('{"n": 1}');
  });

  test('a payload that is spelled differently but equal as jsonb is no conflict', async () => {
    await store(copyAt({ position: 1, payload: '{"a":1.0,"b":2}' }));
    const judged = await store(copyAt({ position: 2, payload: '{ "b" : 2.00, "a" : 1 }' }));
    expect(judged.get(2n)?.outcome).toBe(Outcome.OUTCOME_DUPLICATE);
  });

  test('of two copies in one batch the one with the lower position wins', async () => {
    const judged = await store(copyAt({ position: 2, payload: '{"n":2}' }), copyAt({ position: 1 }));
    expect([...judged.keys()]).toEqual([2n]);
    expect(await database.value('select position from events')).toBe('1');
  });

  test('the same id under two topics is two events', async () => {
    await store(copyAt({ position: 1, topic: 'a' }), copyAt({ position: 2, topic: 'b' }));
    await expectCounts({ unique: 2, duplicates: 0, conflicts: 0, dead: 0 });
  });
});

describe('redeliveries', () => {
  test('a redelivery of the stored copy is recorded nowhere and answered as stored', async () => {
    await store(copyAt({ position: 1 }));
    expect(await store(copyAt({ position: 1 }))).toEqual(new Map());
    await expectCounts({ unique: 1, duplicates: 0, conflicts: 0, dead: 0 });
  });

  test('a redelivered duplicate is recorded once and answered as before', async () => {
    await store(copyAt({ position: 1 }), copyAt({ position: 2 }), copyAt({ position: 3, payload: '{}' }));
    const again = await store(copyAt({ position: 2 }), copyAt({ position: 3, payload: '{}' }));
    expect(again.get(2n)?.outcome).toBe(Outcome.OUTCOME_DUPLICATE);
    expect(again.get(3n)?.outcome).toBe(Outcome.OUTCOME_CONFLICT);
    await expectCounts({ unique: 1, duplicates: 2, conflicts: 1, dead: 0 });
  });

  test('a redelivered tally is counted once', async () => {
    const tally = tallyAt(5, [{ topic: 'orders', source: 'shop', eventIds: ['e1', 'e1', 'e2'] }]);
    await store(tally);
    await store(tally);
    await expectCounts({ unique: 0, duplicates: 3, conflicts: 0, dead: 0 });
  });

  test('a redelivery that races its own first transaction is classified as a redelivery', async () => {
    const first = new Pool({ connectionString: database.url, max: 1 });
    try {
      await first.query('begin');
      await storeBatch(first, 1, 1, [copyAt({ position: 1 })]);
      const racing = store(copyAt({ position: 1 }));
      await waitUntil('the redelivery waits for the first transaction', () =>
        database.value<boolean>(
          "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())",
        ),
      );
      await first.query('commit');
      expect(await racing).toEqual(new Map());
      await expectCounts({ unique: 1, duplicates: 0, conflicts: 0, dead: 0 });
    } finally {
      await first.end();
    }
  });

  test('another copy that races the first transaction is a duplicate when that commits, and stored when it does not', async () => {
    const cases = [
      { end: 'commit', position: 1, outcome: Outcome.OUTCOME_DUPLICATE },
      { end: 'rollback', position: 3, outcome: undefined },
    ];
    for (const { end, position, outcome } of cases) {
      const first = new Pool({ connectionString: database.url, max: 1 });
      try {
        await first.query('begin');
        await storeBatch(first, 1, 1, [copyAt({ position, eventId: end })]);
        const racing = store(copyAt({ position: position + 1, eventId: end }));
        await waitUntil('the copy waits for the first transaction', () =>
          database.value<boolean>(
            "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())",
          ),
        );
        await first.query(end);
        expect((await racing).get(BigInt(position + 1))?.outcome, end).toBe(outcome);
      } finally {
        await first.end();
      }
    }
  });
});

test('batches with the same keys in opposite order neither deadlock for good nor miscount', async () => {
  const ids = Array.from({ length: 2000 }, (_, i) => `id-${i}`);
  const rounds = 8;
  let position = 0;
  const batchOf = (order: readonly string[]) => order.map((eventId) => copyAt({ position: ++position, eventId }));
  const batches = Array.from({ length: rounds }, (_, round) => batchOf(round % 2 === 0 ? ids : [...ids].reverse()));
  await Promise.all(batches.map((batch, shard) => storeBatch(database.pool, 1, shard, batch)));
  await expectCounts({ unique: ids.length, duplicates: ids.length * (rounds - 1), conflicts: 0, dead: 0 });
});

test('a day without a partition is refused as such, and stored once the partition is there', async () => {
  const receivedAtUs = someTimeUs + 40n * dayUs;
  const copy = copyAt({ position: 1, receivedAtUs });
  await expect(store(copy)).rejects.toSatisfy((error) => sqlStateOf(error) === '23514');
  await Promise.all(Array.from({ length: 4 }, () => ensurePartitions(database.pool, [receivedAtUs])));
  await store(copy);
  await expectCounts({ unique: 1, duplicates: 0, conflicts: 0, dead: 0 });
});

describe('epochs', () => {
  test('a batch of an epoch that is over is refused', async () => {
    await openEpoch(database.pool, 1, stream('stream-2', 0), 'test');
    await expect(store(copyAt({ position: 1 }))).rejects.toSatisfy((error) => sqlStateOf(error) === 'ES001');
  });

  test('an epoch opens only after the storing calls under way, above all that they stored', async () => {
    const first = new Pool({ connectionString: database.url, max: 1 });
    try {
      await first.query('begin');
      await storeBatch(first, 1, 1, [copyAt({ position: 41 })]);
      const opening = openEpoch(database.pool, 1, stream('stream-2', 0), 'test');
      await waitUntil('the opening waits', () =>
        database.value<boolean>(
          "select exists (select from pg_stat_activity where wait_event = 'advisory' and datname = current_database())",
        ),
      );
      await first.query('commit');
      expect(await opening).toMatchObject({ epoch: 2, base: 41n });
    } finally {
      await first.end();
    }
  });

  test('two workers that see the same change open one epoch', async () => {
    const opened = await Promise.all([1, 2, 3].map(() => openEpoch(database.pool, 1, stream('stream-2', 0), 'test')));
    expect(opened.map(({ epoch }) => epoch)).toEqual([2, 2, 2]);
  });

  test('a base is above every position that was ever known, also one without a row', async () => {
    await advanceWatermark(database.pool, 1, 10n, 25n);
    expect(await openEpoch(database.pool, 1, stream('stream-2', 0), 'test')).toMatchObject({ base: 25n });
  });

  test('a message at or below the watermark without a row of its timestamp shows that the broker went back', async () => {
    await store(copyAt({ position: 1 }), copyAt({ position: 2, eventId: 'e2' }));
    await advanceWatermark(database.pool, 1, 2n, 2n);
    expect(await store(copyAt({ position: 2, eventId: 'e2' }))).toEqual(new Map());
    const strangers = [
      copyAt({ position: 2, eventId: 'other' }),
      copyAt({ position: 2, eventId: 'e2', receivedAtUs: someTimeUs + 99n }),
      tallyAt(1, [{ topic: 'orders', source: 'shop', eventIds: ['e1'] }], someTimeUs + 98n),
    ];
    for (const stranger of strangers) {
      await expect(store(stranger)).rejects.toSatisfy((error) => sqlStateOf(error) === 'ES002');
    }
    await expectCounts({ unique: 2, duplicates: 0, conflicts: 0, dead: 0 });
  });

  test('above the watermark a stored position with another timestamp shows it too', async () => {
    await store(copyAt({ position: 1 }), copyAt({ position: 2 }));
    for (const position of [1, 2]) {
      const stranger = copyAt({ position, receivedAtUs: someTimeUs + 77n });
      await expect(store(stranger)).rejects.toSatisfy((error) => sqlStateOf(error) === 'ES002');
    }
  });

  test('messages that an older store brings back under a new epoch are the copies they were', async () => {
    const tally = tallyAt(3, [{ topic: 'orders', source: 'shop', eventIds: ['e1'] }]);
    await store(copyAt({ position: 1 }), copyAt({ position: 2 }), tally);
    await openEpoch(database.pool, 1, stream('stream-1', 4), 'went back');
    // base is 3: sequence 1 is position 4, and so on; sequence 4 is new.
    const at = (sequence: number) => someTimeUs + BigInt(sequence);
    const judged = await storeBatch(database.pool, 2, 0, [
      copyAt({ position: 4, receivedAtUs: at(1) }),
      copyAt({ position: 5, receivedAtUs: at(2) }),
      tallyAt(6, [{ topic: 'orders', source: 'shop', eventIds: ['e1'] }], at(3)),
      copyAt({ position: 7, eventId: 'new', receivedAtUs: someTimeUs + 1000n }),
    ]);
    expect([...judged]).toEqual([
      [4n, { outcome: Outcome.OUTCOME_UNSPECIFIED, firstSeenAtUs: 0n }],
      [5n, { outcome: Outcome.OUTCOME_UNSPECIFIED, firstSeenAtUs: 0n }],
    ]);
    await expectCounts({ unique: 2, duplicates: 2, conflicts: 0, dead: 0 });
    expect(await database.value('select array_agg(original order by position)::text from replays')).toBe('{1,2,3}');
  });
});

describe('the watermark', () => {
  test('never goes down, and moves in its own epoch only', async () => {
    expect(await advanceWatermark(database.pool, 1, 5n, 9n)).toBe(5n);
    expect(await advanceWatermark(database.pool, 1, 3n, 4n)).toBe(5n);
    await openEpoch(database.pool, 1, stream('stream-2', 0), 'test');
    expect(await advanceWatermark(database.pool, 1, 50n, 50n)).toBe(5n);
    expect(await advanceWatermark(database.pool, 2, 12n, 12n)).toBe(12n);
    expect(await database.value('select known from watermark')).toBe('12');
  });
});

describe('dead letters', () => {
  const reason = { code: '22P05', message: 'why' };

  test('a message is dead-lettered once, and never stored afterwards', async () => {
    const copy = copyAt({ position: 1 });
    await deadLetter(database.pool, 1, 0, copy, reason);
    await deadLetter(database.pool, 1, 0, copy, reason);
    const judged = await store(copy, copyAt({ position: 2, eventId: 'e2' }));
    expect(judged.get(1n)?.outcome).toBe(Outcome.OUTCOME_DEAD_LETTERED);
    await expectCounts({ unique: 1, duplicates: 0, conflicts: 0, dead: 1 });
  });

  test('a message that has a row already is not dead-lettered', async () => {
    await store(copyAt({ position: 1 }), copyAt({ position: 2 }));
    await deadLetter(database.pool, 1, 0, copyAt({ position: 1 }), reason);
    await deadLetter(database.pool, 1, 0, copyAt({ position: 2 }), reason);
    await expectCounts({ unique: 1, duplicates: 1, conflicts: 0, dead: 0 });
  });
});
