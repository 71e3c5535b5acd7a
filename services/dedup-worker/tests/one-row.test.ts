import { Client } from 'pg';
import { beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { deadLetter } from '../src/dead-letter.js';
import { ensurePartitions } from '../src/partitions.js';
import { openEpoch } from '../src/sql/epochs.js';
import { storeBatch } from '../src/store-batch.js';
import { copyAt, someTimeUs } from './deliveries.js';

let database: TestDatabase;
let other: Client;
beforeEach(async () => {
  database = await createDatabase();
  await ensurePartitions(database.pool, [someTimeUs]);
  await openEpoch(database.pool, 0, { created: 'one', firstSequence: 1, lastSequence: 0 }, 'first start');
  other = new Client({ connectionString: database.url });
  await other.connect();
  return async () => {
    await other.end();
    await database.drop();
  };
});

const rows = () =>
  database.value<number>(`
    select count(*)::int from (
      select position from event_keys union all select position from refused union all select position from tallies
      union all select position from dead_letters union all select position from replays
    ) as found where position = 1`);

const waits = () =>
  database.value<boolean>(`
    select exists (
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
    )`);

const reason = { code: '22023', message: 'why' };
const bury = (by: Pick<Client, 'query'>) => deadLetter(by as never, 1, 1, copyAt({ position: 1 }), reason);
const store = (by: Pick<Client, 'query'>) => storeBatch(by as never, 1, 0, [copyAt({ position: 1 })]);

// Two workers that disagree: a rule of the database has changed between their calls.
test.each([
  ['stored by one worker and dead-lettered by another', store, bury],
  ['dead-lettered by one worker and stored by another', bury, store],
] as const)('a message that is %s has one row', async (_, first, second) => {
  await other.query('begin');
  await first(other);
  const after = second(database.pool);
  await waitUntil('the second to wait for the first', waits);
  await other.query('commit');
  await after;
  expect(await rows()).toBe(1);
});

test('in an epoch that begins where the one before began, a redelivery is a redelivery', async () => {
  await openEpoch(database.pool, 1, { created: 'two', firstSequence: 1, lastSequence: 1 }, 'the stream was made anew');
  const batch = [copyAt({ position: 1 })];
  expect(await storeBatch(database.pool, 2, 0, batch)).toEqual(new Map());
  expect(await storeBatch(database.pool, 2, 0, batch)).toEqual(new Map());
  expect(await rows()).toBe(1);
});
