import { randomBytes } from 'node:crypto';
import { namesFor } from '@eventsieve/contract/names';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { auditedTotals } from '../../../tests/support/exactness.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { startWorker } from '../src/start.js';
import { copyOf, text } from './poison.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  // Nobody finds two ids of one hash, so ids of one length have the same one here.
  await database.pool.query(`
    create or replace function key_high_v1(topic text, event_id text) returns bigint language sql immutable parallel safe
      as 'select length(topic)::bigint';
    create or replace function key_low_v1(topic text, event_id text) returns bigint language sql immutable parallel safe
      as 'select length(event_id)::bigint';
    reindex index event_keys_once`);
});
afterAll(() => database.drop());

test('of two events that share a hash the later one is kept as a dead letter, and a repeat of either is none of the other', async () => {
  const prefix = `h${randomBytes(4).toString('hex')}`;
  const names = namesFor(prefix);
  const connection = await connect({ servers: inject('natsUrl') });
  const worker = await startWorker(
    { DATABASE_URL: database.url, NATS_URL: inject('natsUrl'), NATS_PREFIX: prefix, WORKER_METRICS_PORT: '0' },
    pino({ level: 'silent' }),
  );
  const jsm = await jetstreamManager(connection);
  try {
    await waitUntil('the stream is there', () => jsm.streams.info(names.stream).catch(() => undefined));
    const ids = ['aa', 'b', 'bb', 'aa', 'ccc', 'bb', 'b'];
    for (const id of ids) connection.publish(`${names.eventSubjectPrefix}t`, copyOf(text(id), text('{}')));
    await connection.flush();
    await waitUntil('all are settled', async () => {
      const { unique, duplicates, dead } = await auditedTotals(database);
      return unique + duplicates + dead === ids.length;
    });
    expect(await auditedTotals(database)).toMatchObject({ unique: 3, duplicates: 2, dead: 2 });
    expect((await database.pool.query('select event_id from events order by position')).rows).toEqual(
      ['aa', 'b', 'ccc'].map((event_id) => ({ event_id })),
    );
    const reason = expect.stringContaining('another event has the same hash of topic and id');
    expect((await database.pool.query('select event_id, code, reason from dead_letters')).rows).toEqual(
      Array(2).fill({ event_id: 'bb', code: '22000', reason }),
    );
    const found = 'select event_id from find_key_v1($1, $2)';
    expect((await database.pool.query(found, ['t', 'aa'])).rows).toEqual([{ event_id: 'aa' }]);
    expect((await database.pool.query(found, ['t', 'bb'])).rows).toEqual([]);
  } finally {
    await worker.stop();
    await jsm.streams.delete(names.stream);
    await connection.close();
  }
});
