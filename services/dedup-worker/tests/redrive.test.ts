import { randomBytes } from 'node:crypto';
import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Redrive } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { JsMsg } from '@nats-io/jetstream';
import { beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { auditedTotals } from '../../../tests/support/exactness.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { deadLetter } from '../src/dead-letter.js';
import { type Delivery, readDelivery } from '../src/delivery.js';
import { ensurePartitions } from '../src/partitions.js';
import { sqlStateOf } from '../src/postgres-errors.js';
import { storeBatch } from '../src/store-batch.js';
import { storeRedrive } from '../src/store-redrive.js';
import { copyAt, names, someTimeUs, tallyAt } from './deliveries.js';

let database: TestDatabase;
const shard = 0;
const refusal = { code: '22023', message: 'refused by a rule' };
const { OUTCOME_STORED, OUTCOME_DUPLICATE, OUTCOME_CONFLICT, OUTCOME_DEAD_LETTERED, OUTCOME_UNSPECIFIED } = Outcome;

beforeEach(async () => {
  database = await createDatabase();
  await ensurePartitions(database.pool, [someTimeUs]);
  await openEpoch('one');
  return () => database.drop();
});

async function openEpoch(created: string, last = 0): Promise<number> {
  const present = (await database.value<number | null>('select max(epoch) from epochs')) ?? 0;
  await database.value('select open_epoch_v1($1, $2, 1, $3, $4)', [present, created, last, 'test']);
  return present + 1;
}

/** The message that sends `of` through again, as a worker reads it from the stream. */
async function redriveAt(position: number, of: Delivery): Promise<Delivery> {
  const deadLetter = of.position;
  const sending = BigInt(
    await database.value('insert into redrives (dead_letter, position) values ($1, $2) returning sending', [
      deadLetter,
      position,
    ]),
  );
  const data = Redrive.encode({ deadLetter, sending, subject: of.subject, body: of.body }).finish();
  const reply = `$JS.ACK.stream.consumer.1.${position}.1.${someTimeUs + BigInt(position)}000.0`;
  const message = { subject: names.redriveSubject, reply, data, headers: undefined, info: { deliveryCount: 1 } };
  return readDelivery(message as unknown as JsMsg, 0n, names);
}

const keep = (delivery: Delivery, epoch = 1) => deadLetter(database.pool, epoch, shard, delivery, refusal);
const store = (...batch: Delivery[]) => storeBatch(database.pool, 1, shard, batch);
const storeAgain = async (delivery: Delivery, epoch = 1) =>
  (await storeRedrive(database.pool, epoch, shard, delivery)).outcome;
const advance = (to: number, epoch = 1) => database.value('select advance_watermark_v1($1, $2, $2)', [epoch, to]);

async function letterAt(position: number) {
  const { rows } = await database.pool.query<Record<string, unknown>>(
    'select state, redriven_position::int, redrive_outcome, redrive_of::int from dead_letters where position = $1',
    [position],
  );
  return rows[0];
}

const redrivenCounts = async () => [
  await database.value<number>('select coalesce(sum(redriven_count), 0)::int from topic_counters'),
  await database.value<number>('select coalesce(sum(redriven_count), 0)::int from minute_counters'),
];
const someoneWaits =
  "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())";
const underWay = () => database.value<number>('select count(*)::int from redrives');

/** What a table holds, to see that a second time changes nothing. */
async function everything(): Promise<unknown[]> {
  const tables = ['event_keys', 'refused', 'tallies', 'replays', 'dead_letters', 'topic_counters', 'minute_counters'];
  return await Promise.all(
    tables.map((table) => database.value(`select coalesce(jsonb_agg(t order by t::text), '[]') from ${table} t`)),
  );
}

const dead = (position: number, eventId = 'e1', payload = '{"n":1}') => copyAt({ position, eventId, payload });

test.each([
  ['stored', [], OUTCOME_STORED, { unique: 1, duplicates: 0, conflicts: 0 }],
  ['a duplicate', [copyAt({ position: 2 })], OUTCOME_DUPLICATE, { unique: 1, duplicates: 1, conflicts: 0 }],
  [
    'a conflict',
    [copyAt({ position: 2, payload: '{"n":2}' })],
    OUTCOME_CONFLICT,
    { unique: 1, duplicates: 1, conflicts: 1 },
  ],
] as const)('a redriven copy is %s, counts once, and a redelivery repeats that', async (_, before, outcome, totals) => {
  const letter = dead(1);
  await keep(letter);
  if (before.length > 0) await store(...before);
  const redrive = await redriveAt(3, letter);
  expect(await underWay()).toBe(1);
  expect(await storeAgain(redrive)).toBe(outcome);
  expect(await letterAt(1)).toMatchObject({ state: 'redriven', redriven_position: 3, redrive_outcome: outcome });
  expect(await auditedTotals(database)).toMatchObject({ ...totals, dead: 1 });
  expect(await redrivenCounts()).toEqual([1, 1]);
  expect(await underWay()).toBe(0);

  // The ack was lost; the second time the watermark has passed it.
  const after = await everything();
  expect(await storeAgain(redrive)).toBe(outcome);
  expect(await everything()).toEqual(after);
  await advance(3);
  expect(await storeAgain(redrive)).toBe(outcome);
  expect(await everything()).toEqual(after);
});

test('what still cannot be stored is kept under the position of its redrive, with a link, and once', async () => {
  const letter = dead(1);
  await keep(letter);
  const redrive = await redriveAt(2, letter);
  await keep(redrive);
  expect(await letterAt(1)).toMatchObject({ state: 'redriven', redriven_position: 2, redrive_outcome: 6 });
  expect(await letterAt(2)).toMatchObject({ state: 'open', redriven_position: null, redrive_of: 1 });
  const body = await database.value<Buffer>('select body from dead_letters where position = 2');
  expect(body.equals(Buffer.from(letter.body))).toBe(true);
  expect(await redrivenCounts()).toEqual([1, 1]);
  expect(await underWay()).toBe(0);

  const after = await everything();
  await keep(redrive);
  // The rule has gone meanwhile: the first verdict stays.
  expect(await storeAgain(redrive)).toBe(OUTCOME_DEAD_LETTERED);
  expect(await everything()).toEqual(after);
  expect(await auditedTotals(database)).toMatchObject({ unique: 0, dead: 2 });

  expect(await storeAgain(await redriveAt(3, redrive))).toBe(OUTCOME_STORED);
  expect(await letterAt(2)).toMatchObject({ state: 'redriven', redriven_position: 3, redrive_of: 1 });
  expect(await redrivenCounts()).toEqual([2, 2]);
});

test('a second message for one dead letter is no copy, whatever it would have become', async () => {
  const letter = dead(1);
  await keep(letter);
  const first = await redriveAt(2, letter);
  const second = await redriveAt(3, letter);
  const third = await redriveAt(4, letter);
  expect(await storeAgain(first)).toBe(OUTCOME_STORED);
  expect(await storeAgain(second)).toBe(OUTCOME_UNSPECIFIED);
  await keep(third);
  expect(await auditedTotals(database)).toMatchObject({ unique: 1, duplicates: 0, dead: 1 });
  expect(await database.value('select jsonb_agg(array[position, original]) from replays')).toEqual([
    [3, 2],
    [4, 2],
  ]);
  expect(await redrivenCounts()).toEqual([1, 1]);
  expect(await underWay()).toBe(0);
  await advance(4);
  const after = await everything();
  for (const each of [first, second]) await storeAgain(each);
  await keep(third);
  expect(await everything()).toEqual(after);
});

test('two messages for one dead letter on two connections at once: one is it, the other waits and is none', async () => {
  const letter = dead(1);
  await keep(letter);
  const first = await redriveAt(2, letter);
  const second = await redriveAt(3, letter);
  const client = await database.pool.connect();
  try {
    await client.query('begin');
    const inside = { query: (query: never) => client.query(query) } as never;
    expect((await storeRedrive(inside, 1, shard, first)).outcome).toBe(OUTCOME_STORED);
    const waiting = storeAgain(second);
    await waitUntil('the second one waits', () => database.value<boolean>(someoneWaits));
    await client.query('commit');
    expect(await waiting).toBe(OUTCOME_UNSPECIFIED);
  } finally {
    client.release();
  }
  expect(await auditedTotals(database)).toMatchObject({ unique: 1, duplicates: 0, dead: 1 });
  expect(await redrivenCounts()).toEqual([1, 1]);
});

test('many messages for one dead letter on many connections at once: all but one are none', async () => {
  const letter = dead(1);
  await keep(letter);
  const redrives = await Promise.all(Array.from({ length: 8 }, (_, i) => redriveAt(2 + i, letter)));
  const outcomes = await Promise.all(redrives.map((each) => storeAgain(each)));
  expect(outcomes.sort()).toEqual([0, 0, 0, 0, 0, 0, 0, OUTCOME_STORED]);
  expect(await auditedTotals(database)).toMatchObject({ unique: 1, duplicates: 0, dead: 1 });
  expect(await redrivenCounts()).toEqual([1, 1]);
});

test('a message whose dead letter is not there is a copy like any other', async () => {
  const redrive = await redriveAt(2, dead(1));
  expect(await storeAgain(redrive)).toBe(OUTCOME_STORED);
  expect(await storeAgain(await redriveAt(3, dead(1)))).toBe(OUTCOME_DUPLICATE);
  expect(await auditedTotals(database)).toMatchObject({ unique: 1, duplicates: 1, dead: 0 });
  await keep(await redriveAt(4, dead(1, 'e4')));
  expect(await letterAt(4)).toMatchObject({ state: 'open', redrive_of: 1 });
  expect(await redrivenCounts()).toEqual([0, 0]);
  expect(await underWay()).toBe(0);
});

test('one that was discarded while its message was under way is redriven all the same', async () => {
  const letter = dead(1);
  await keep(letter);
  const redrive = await redriveAt(2, letter);
  await database.pool.query("update dead_letters set state = 'discarded', state_since = now()");
  expect(await storeAgain(redrive)).toBe(OUTCOME_STORED);
  expect(await letterAt(1)).toMatchObject({ state: 'redriven', redriven_position: 2 });
  expect(await redrivenCounts()).toEqual([1, 1]);
});

const erase = (state: string) =>
  database.pool.query(`update dead_letters set code = 'ERASED', body = '', state = '${state}', state_since = now()`);

test('a message whose dead letter was erased before it came is no copy: nothing comes back', async () => {
  const letter = dead(1);
  await keep(letter);
  const first = await redriveAt(2, letter);
  const second = await redriveAt(3, letter);
  await erase('discarded');
  expect(await storeAgain(first)).toBe(OUTCOME_UNSPECIFIED);
  await keep(second);
  await advance(3);
  const after = await everything();
  expect(await storeAgain(first)).toBe(OUTCOME_UNSPECIFIED);
  await keep(second);
  expect(await everything()).toEqual(after);
  expect(await letterAt(1)).toMatchObject({ state: 'discarded', redriven_position: null });
  expect(await auditedTotals(database)).toMatchObject({ unique: 0, duplicates: 0, dead: 1 });
  expect(await redrivenCounts()).toEqual([0, 0]);
  expect(await underWay()).toBe(0);
});

test('a redelivery of the message that redrove a dead letter is known after that was erased', async () => {
  const letter = dead(1);
  await keep(letter);
  const redrive = await redriveAt(2, letter);
  expect(await storeAgain(redrive)).toBe(OUTCOME_STORED);
  await erase('redriven');
  const after = await everything();
  expect(await storeAgain(redrive)).toBe(OUTCOME_STORED);
  await advance(2);
  expect(await storeAgain(redrive)).toBe(OUTCOME_STORED);
  expect(await everything()).toEqual(after);
});

test('a tally is redriven as a tally, and once', async () => {
  const groups = [{ topic: 'orders', source: 'shop', eventIds: ['a', 'b'] }];
  const letter = tallyAt(1, groups);
  await keep(letter);
  const redrive = await redriveAt(2, letter);
  expect(redrive.content.kind).toBe('tally');
  expect(await storeAgain(redrive)).toBe(OUTCOME_DUPLICATE);
  const after = await everything();
  expect(await storeAgain(redrive)).toBe(OUTCOME_DUPLICATE);
  expect(await everything()).toEqual(after);
  expect(await storeAgain(await redriveAt(3, letter))).toBe(OUTCOME_UNSPECIFIED);
  expect(await auditedTotals(database)).toMatchObject({ duplicates: 2, dead: 1 });
  expect(await redrivenCounts()).toEqual([1, 1]);
});

test('a tally that counts nothing is none: what was received would go down by it', () => {
  const { message } = tallyAt(1, [{ topic: 'orders', source: 'shop', eventIds: [] }]);
  const read = readDelivery(
    { ...message, reply: '$JS.ACK.stream.consumer.1.1.1.1000.0' } as unknown as JsMsg,
    0n,
    names,
  );
  expect(read.content).toMatchObject({ kind: 'undecodable' });
});

test('a redrive that Postgres refuses changes nothing', async () => {
  const letter = dead(1, 'e1', '{"a":"\\u0000"}');
  await keep(letter);
  const redrive = await redriveAt(2, letter);
  const before = await everything();
  expect(sqlStateOf(await storeAgain(redrive).catch((error: unknown) => error))).toBe('22P05');
  await database.pool.query(`
    create function refuse() returns trigger language plpgsql as
    $$ begin raise exception 'refused late' using errcode = '22023'; end $$;
    create trigger refuse after insert on event_keys for each row execute function refuse()`);
  const late = await redriveAt(3, dead(1));
  expect(sqlStateOf(await storeAgain(late).catch((error: unknown) => error))).toBe('22023');
  expect(await everything()).toEqual(before);
  expect(await underWay()).toBe(2);
});

test('a redrive and a dead letter of an epoch that is over are refused', async () => {
  const letter = dead(1);
  await keep(letter);
  const redrive = await redriveAt(2, letter);
  await openEpoch('two');
  for (const attempt of [() => storeAgain(redrive), () => keep(redrive), () => keep(dead(5))]) {
    expect(sqlStateOf(await attempt().catch((error: unknown) => error))).toBe('ES001');
  }
  expect(await underWay()).toBe(1);
});

test('what an older copy of the broker brings back counts nothing: dead letters, redrives and surplus ones', async () => {
  const poison = dead(1, randomBytes(8).toString('hex'), '{"a":"\\u0000"}');
  const letter = dead(2);
  for (const each of [poison, letter]) await keep(each);
  const redrive = await redriveAt(3, letter);
  const surplus = await redriveAt(4, letter);
  const again = await redriveAt(5, poison);
  await storeAgain(redrive);
  await storeAgain(surplus);
  await keep(again);
  await advance(5);
  const counted = await auditedTotals(database);

  const epoch = await openEpoch('one', 5);
  const moved = (delivery: Delivery): Delivery => ({ ...delivery, position: delivery.position + 5n });
  for (const each of [poison, letter]) await keep(moved(each), epoch);
  for (const each of [redrive, surplus]) expect(await storeAgain(moved(each), epoch)).toBe(OUTCOME_UNSPECIFIED);
  await keep(moved(again), epoch);
  expect(await auditedTotals(database)).toEqual({ ...counted, positions: 10, distinct_positions: 10 });
  expect(await redrivenCounts()).toEqual([2, 2]);
  expect(await letterAt(2)).toMatchObject({ state: 'redriven', redriven_position: 3 });
});

test('a broker that gives old sequences out again is noticed, by a surplus redrive and by a poison message too', async () => {
  const letter = dead(1);
  await keep(letter);
  await storeAgain(await redriveAt(2, letter));
  await store(copyAt({ position: 3, eventId: 'e3' }));
  await advance(3);
  const before = await everything();
  const surplus = await redriveAt(3, letter);
  const later = { ...dead(3), receivedAtUs: someTimeUs + 99n };
  for (const attempt of [() => storeAgain(surplus), () => keep(surplus), () => keep(later)]) {
    expect(sqlStateOf(await attempt().catch((error: unknown) => error))).toBe('ES002');
  }
  expect(await everything()).toEqual(before);
});
