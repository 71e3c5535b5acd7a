import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { ensurePartitions } from '../src/partitions.js';
import { openEpoch } from '../src/sql/epochs.js';
import { storeBatch } from '../src/store-batch.js';
import { copyAt, someTimeUs } from './deliveries.js';

let database: TestDatabase;

beforeEach(async () => {
  database = await createDatabase();
  await ensurePartitions(database.pool, [someTimeUs]);
  await openEpoch(database.pool, 0, { created: 'stream-1', firstSequence: 1, lastSequence: 0 }, 'first start');
});
afterEach(() => database.drop());

async function rows(query: string): Promise<string[]> {
  const found = await database.pool.query<unknown[]>({ text: query, rowMode: 'array' });
  return found.rows.map((row) => row.join(' '));
}

const news = [
  copyAt({ position: 1, topic: 'a', eventId: 'x', source: 's', payload: '{"n":1}', timestampUs: 1_000_000n }),
  copyAt({ position: 2, topic: 'b', eventId: 'y', source: 't', payload: '{"n":2}', timestampUs: 2_000_000n }),
  copyAt({ position: 3, topic: 'a', eventId: 'z', source: 't', payload: '{"n":3}', timestampUs: 3_000_000n }),
];
const repeat = copyAt({ position: 4, topic: 'b', eventId: 'y', source: 't', payload: '{"n":2}' });

test.each([
  ['taken for new', news, '0'],
  ['taken one by one, since one is a repeat', [...news, repeat], '1'],
])('copies that are %s keep what they came with, and count for their own topics', async (_, batch, repeats) => {
  await storeBatch(database.pool, 1, 0, batch);
  expect(
    await rows(`
      select position, topic, event_id, source, payload ->> 'n', extract(epoch from "timestamp")::int,
             received_at = (select k.received_at from event_keys k where k.position = e.position)
      from events e order by position`),
  ).toEqual(['1 a x s 1 1 true', '2 b y t 2 2 true', '3 a z t 3 3 true']);
  expect(await rows('select position, topic, event_id from event_keys order by 1')).toEqual([
    '1 a x',
    '2 b y',
    '3 a z',
  ]);
  expect(
    await rows('select topic, sum(unique_count), sum(duplicate_count) from topic_counters group by 1 order by 1'),
  ).toEqual(['a 2 0', `b 1 ${repeats}`]);
});
