import { EventStatus } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { beforeEach, describe, expect, test } from 'vitest';
import { eraseStep } from '../src/erase/erase-step.js';
import { eraseEvents } from '../src/rpc/erase-events.js';
import { getEvent } from '../src/rpc/get-event.js';
import { reconcile } from '../src/rpc/reconcile.js';
import { redriveDeadLetters } from '../src/rpc/redrive-dead-letters.js';
import { openFixture, type QueryFixture, type StoredCopy } from './query-fixture.js';

let fixture: QueryFixture;
beforeEach(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  return () => fixture.close();
});

const sql = async (text: string) => (await fixture.database.pool.query(text)).rows;
const erase = (topic: string, eventId = '') => eraseEvents(fixture.queries, { topic, eventId });
const statusOf = async (topic: string, eventId: string) =>
  (await getEvent(fixture.queries, { topic, eventId, payloadFormat: 0 })).status;
const { EVENT_STATUS_STORED, EVENT_STATUS_EXPIRED } = EventStatus;

/** Stores them as settled: the watermark has passed them, and they are counted by source. */
async function settled(...copies: readonly StoredCopy[]): Promise<void> {
  await fixture.store(...copies);
  await settle(Math.max(...copies.map(({ position }) => position)));
}

async function settle(position: number): Promise<void> {
  const { state } = await fixture.jsm.streams.info(fixture.names.stream);
  await fixture.send(position - state.last_seq);
  await fixture.advance(position);
  await fixture.jsm.streams.purge(fixture.names.stream);
  while (await fixture.database.value<boolean>('select roll_up_v1(20000)'));
}

async function expectClean(): Promise<void> {
  expect((await reconcile(fixture.queries)).differences).toEqual([]);
}

describe('one event', () => {
  test('is expired once it is erased, the others stay, and everything adds up', async () => {
    await settled(
      { position: 1, payload: '{"name":"Ada"}' },
      { position: 2 },
      { position: 3, topic: 'other', eventId: 'e1' },
    );
    const counters = await sql('select * from topic_counters order by topic');
    expect(await erase('orders', 'e1')).toEqual({ erased: 1n, more: false });
    expect(await statusOf('orders', 'e1')).toBe(EVENT_STATUS_EXPIRED);
    expect(await statusOf('orders', 'e2')).toBe(EVENT_STATUS_STORED);
    expect(await statusOf('other', 'e1')).toBe(EVENT_STATUS_STORED);
    expect(await sql('select * from topic_counters order by topic')).toEqual(counters);
    await expectClean();
  });

  test('is erased once, and a second call says that there was nothing left', async () => {
    await settled({ position: 1 });
    await erase('orders', 'e1');
    expect(await erase('orders', 'e1')).toEqual({ erased: 0n, more: false });
    await expectClean();
  });

  test('does not come back by its repeat, which is still a duplicate, or a conflict', async () => {
    await settled({ position: 1, payload: '{"n":1}' });
    await erase('orders', 'e1');
    await settled(
      { position: 2, eventId: 'e1', payload: '{"n":1}' },
      { position: 3, eventId: 'e1', payload: '{"n":2}' },
    );
    expect(await sql('select position::int, conflict from refused order by position')).toEqual([
      { position: 2, conflict: false },
      { position: 3, conflict: true },
    ]);
    expect(await sql('select position from events')).toEqual([]);
    await expectClean();
  });

  test('takes along what its conflicts carried, also those that came after it was erased', async () => {
    await settled(
      { position: 1, payload: '{"n":1}' },
      { position: 2, eventId: 'e1', payload: '{"name":"Eve"}', source: 'elsewhere' },
      { position: 3, payload: '{"n":3}' },
      { position: 4, eventId: 'e3', payload: '{"n":4}' },
    );
    expect(await erase('orders', 'e1')).toEqual({ erased: 1n, more: false });
    expect(
      await sql(
        `select position::int, conflict, payload, source, "timestamp" = 'epoch' as blank from refused order by 1`,
      ),
    ).toEqual([
      { position: 2, conflict: true, payload: null, source: '', blank: true },
      { position: 4, conflict: true, payload: { n: 4 }, source: 'shop', blank: false },
    ]);
    await settled({ position: 5, eventId: 'e1', payload: '{"name":"Eve"}' });
    expect(await erase('orders', 'e1')).toEqual({ erased: 0n, more: false });
    expect(await sql('select payload from refused where position = 5')).toEqual([{ payload: null }]);
    await expectClean();
  });

  test('that was dead-lettered keeps its row, empty and discarded, and cannot be sent through again', async () => {
    await settled({ position: 1 });
    await fixture.deadLetter(2, 'orders', 'bad');
    await settle(2);
    expect(await erase('orders', 'bad')).toEqual({ erased: 1n, more: false });
    const [letter] = await sql('select state, code, reason, headers, octet_length(body) as bytes from dead_letters');
    expect(letter).toEqual({
      state: 'discarded',
      code: 'ERASED',
      reason: 'what it carried was erased',
      headers: {},
      bytes: 0,
    });
    const { sent, results } = await redriveDeadLetters(fixture.queries, {
      positions: [2n],
      filter: undefined,
      limit: 0,
      dryRun: false,
    });
    expect({ sent, code: results[0]?.error?.code }).toEqual({ sent: 0, code: 'ERASED' });
    await expectClean();
  });

  test('that nobody has ever sent is not found', async () => {
    await settled({ position: 1 });
    await expect(erase('orders', 'nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('that waits in the broker is to be asked for again', async () => {
    await settled({ position: 1 });
    await fixture.send(1);
    await expect(erase('orders', 'e2')).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1_000 });
  });

  test.each(['watermark', 'rollup'])('is not touched above the %s: that is to be asked for again', async (table) => {
    await settled({ position: 1 });
    await fixture.store({ position: 2 });
    await sql(`update ${table === 'rollup' ? 'watermark' : 'rollup'} set position = 2`);
    await expect(erase('orders', 'e2')).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1_000 });
    expect(await sql('select position::int from events order by 1')).toEqual([{ position: 1 }, { position: 2 }]);
    const late = sql(`update ${table} set position = 2`);
    expect(await erase('orders', 'e2')).toEqual({ erased: 1n, more: false });
    await late;
  });

  test.each([
    [{ topic: '', eventId: 'e1' }, 'topic'],
    [{ topic: 'a\0', eventId: '' }, 'topic'],
    [{ topic: 'orders', eventId: 'x'.repeat(256) }, 'event_id'],
  ])('is refused by the field that cannot be one: %j', async (request, field) => {
    await expect(eraseEvents(fixture.queries, request)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      fields: [{ field }],
    });
  });
});

describe('a topic', () => {
  test.each(['watermark', 'rollup'])('loses nothing of what lies above the %s', async (table) => {
    await settled({ position: 1 }, { position: 3 });
    await fixture.store({ position: 4 }, { position: 5, eventId: 'e1', payload: '{"n":1}' });
    await fixture.deadLetter(6, 'orders', 'bad');
    await sql(`update ${table === 'rollup' ? 'watermark' : 'rollup'} set position = 6`);
    const step = await fixture.queries.database.inTransaction((of) => eraseStep(of, { topic: 'orders', eventId: '' }));
    expect(step).toEqual({ events: 2, more: false });
    expect(await sql('select position::int from events')).toEqual([{ position: 4 }]);
    expect(await sql('select payload from refused')).toEqual([{ payload: { n: 1 } }]);
    expect(await sql('select state from dead_letters')).toEqual([{ state: 'open' }]);
  });

  test('of more events than a step takes goes as a whole, and no other one', async () => {
    const many = Array.from({ length: 4_500 }, (_, i) => ({ position: i + 1, topic: 'gone', payload: '{"n":1}' }));
    await settled(...many);
    await settled(
      { position: 4_501, topic: 'gone.not' },
      { position: 4_502, topic: 'gone', eventId: 'e1', payload: '{"n":2}' },
    );
    expect(await erase('gone')).toEqual({ erased: 4_500n, more: false });
    expect(await sql('select topic, payload from refused')).toEqual([{ topic: 'gone', payload: null }]);
    expect(await sql('select topic from events')).toEqual([{ topic: 'gone.not' }]);
    expect(await erase('gone')).toEqual({ erased: 0n, more: false });
    await expectClean();
  });

  test('of which nothing is stored is not found', async () => {
    await expect(erase('nothing')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

test('while somebody else removes rows an erasure waits, and is to be asked for again when that takes long', async () => {
  await settled({ position: 1 });
  const other = await fixture.database.pool.connect();
  await other.query('select pg_advisory_lock(keeping_lock_key())');
  await expect(erase('orders', 'e1')).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1_000 });
  await other.query('select pg_advisory_unlock(keeping_lock_key())');
  other.release();
  expect(await erase('orders', 'e1')).toMatchObject({ erased: 1n });
});

test('after an erasure a real loss is still found', async () => {
  await settled({ position: 1 }, { position: 2 }, { position: 3, topic: 'other' });
  await erase('orders', 'e1');
  await sql('delete from events where position = 3');
  expect((await reconcile(fixture.queries)).differences).toMatchObject([
    { what: 'missing_events', expected: 3n, found: 2n },
  ]);
});
