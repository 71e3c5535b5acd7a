import { randomBytes } from 'node:crypto';
import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { Msg } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { auditedTotals } from '../../../tests/support/exactness.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { type Delivery, readDelivery } from '../src/delivery.js';
import { sqlStateOf } from '../src/postgres-errors.js';
import { storeRedrive } from '../src/store-redrive.js';
import { copyAt, names, someTimeUs, tallyAt } from './deliveries.js';
import { dead, openRedriveFixture, type RedriveFixture, shard } from './redrive-fixture.js';

const { OUTCOME_STORED, OUTCOME_DUPLICATE, OUTCOME_CONFLICT, OUTCOME_DEAD_LETTERED, OUTCOME_UNSPECIFIED } = Outcome;
const someoneWaits =
  "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())";

let fixture: RedriveFixture;
beforeEach(async () => {
  fixture = await openRedriveFixture();
  return () => fixture.database.drop();
});

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
  await fixture.keep(letter);
  if (before.length > 0) await fixture.store(...before);
  const redrive = await fixture.redriveAt(3, letter);
  expect(await fixture.underWay()).toBe(1);
  expect(await fixture.storeAgain(redrive)).toBe(outcome);
  expect(await fixture.letterAt(1)).toMatchObject({
    state: 'redriven',
    redriven_position: 3,
    redrive_outcome: outcome,
  });
  expect(await auditedTotals(fixture.database)).toMatchObject({ ...totals, dead: 1 });
  expect(await fixture.redrivenCounts()).toEqual([1, 1]);
  expect(await fixture.underWay()).toBe(0);

  // The ack was lost; the second time the watermark has passed it.
  const after = await fixture.everything();
  expect(await fixture.storeAgain(redrive)).toBe(outcome);
  expect(await fixture.everything()).toEqual(after);
  await fixture.advance(3);
  expect(await fixture.storeAgain(redrive)).toBe(outcome);
  expect(await fixture.everything()).toEqual(after);
});

const edgesOfTime = [-59_011_459_200_000_001n, 253_402_300_799_999_999n];
test.each(edgesOfTime)('a redriven copy has its timestamp to the microsecond: %d', async (timestampUs) => {
  const letter = copyAt({ position: 1, timestampUs });
  await fixture.keep(letter);
  expect(await fixture.storeAgain(await fixture.redriveAt(2, letter))).toBe(OUTCOME_STORED);
  const exact = 'select (extract(epoch from timestamp) * 1000000)::numeric(30)::text from events';
  expect(await fixture.database.value(exact)).toBe(String(timestampUs));
});

test('what still cannot be stored is kept under the position of its redrive, with a link, and once', async () => {
  const letter = dead(1);
  await fixture.keep(letter);
  const redrive = await fixture.redriveAt(2, letter);
  await fixture.keep(redrive);
  expect(await fixture.letterAt(1)).toMatchObject({ state: 'redriven', redriven_position: 2, redrive_outcome: 6 });
  expect(await fixture.letterAt(2)).toMatchObject({ state: 'open', redriven_position: null, redrive_of: 1 });
  const body = await fixture.database.value<Buffer>('select body from dead_letters where position = 2');
  expect(body.equals(Buffer.from(letter.body))).toBe(true);
  expect(await fixture.redrivenCounts()).toEqual([1, 1]);
  expect(await fixture.underWay()).toBe(0);

  const after = await fixture.everything();
  await fixture.keep(redrive);
  // The rule has gone meanwhile: the first verdict stays.
  expect(await fixture.storeAgain(redrive)).toBe(OUTCOME_DEAD_LETTERED);
  expect(await fixture.everything()).toEqual(after);
  expect(await auditedTotals(fixture.database)).toMatchObject({ unique: 0, dead: 2 });

  expect(await fixture.storeAgain(await fixture.redriveAt(3, redrive))).toBe(OUTCOME_STORED);
  expect(await fixture.letterAt(2)).toMatchObject({ state: 'redriven', redriven_position: 3, redrive_of: 1 });
  expect(await fixture.redrivenCounts()).toEqual([2, 2]);
});

test('a second message for one dead letter is no copy, whatever it would have become', async () => {
  const letter = dead(1);
  await fixture.keep(letter);
  const first = await fixture.redriveAt(2, letter);
  const second = await fixture.redriveAt(3, letter);
  const third = await fixture.redriveAt(4, letter);
  expect(await fixture.storeAgain(first)).toBe(OUTCOME_STORED);
  expect(await fixture.storeAgain(second)).toBe(OUTCOME_UNSPECIFIED);
  await fixture.keep(third);
  expect(await auditedTotals(fixture.database)).toMatchObject({ unique: 1, duplicates: 0, dead: 1 });
  expect(await fixture.database.value('select jsonb_agg(array[position, original]) from replays')).toEqual([
    [3, 2],
    [4, 2],
  ]);
  expect(await fixture.redrivenCounts()).toEqual([1, 1]);
  expect(await fixture.underWay()).toBe(0);
  await fixture.advance(4);
  const after = await fixture.everything();
  for (const each of [first, second]) await fixture.storeAgain(each);
  await fixture.keep(third);
  expect(await fixture.everything()).toEqual(after);
});

test('two messages for one dead letter on two connections at once: one is it, the other waits and is none', async () => {
  const letter = dead(1);
  await fixture.keep(letter);
  const first = await fixture.redriveAt(2, letter);
  const second = await fixture.redriveAt(3, letter);
  const client = await fixture.database.pool.connect();
  try {
    await client.query('begin');
    const inside = { query: (query: never) => client.query(query) } as never;
    expect((await storeRedrive(inside, 1, shard, first)).outcome).toBe(OUTCOME_STORED);
    const waiting = fixture.storeAgain(second);
    await waitUntil('the second one waits', () => fixture.database.value<boolean>(someoneWaits));
    await client.query('commit');
    expect(await waiting).toBe(OUTCOME_UNSPECIFIED);
  } finally {
    client.release();
  }
  expect(await auditedTotals(fixture.database)).toMatchObject({ unique: 1, duplicates: 0, dead: 1 });
  expect(await fixture.redrivenCounts()).toEqual([1, 1]);
});

test('many messages for one dead letter on many connections at once: all but one are none', async () => {
  const letter = dead(1);
  await fixture.keep(letter);
  const redrives = await Promise.all(Array.from({ length: 8 }, (_, i) => fixture.redriveAt(2 + i, letter)));
  const outcomes = await Promise.all(redrives.map((each) => fixture.storeAgain(each)));
  expect(outcomes.sort()).toEqual([0, 0, 0, 0, 0, 0, 0, OUTCOME_STORED]);
  expect(await auditedTotals(fixture.database)).toMatchObject({ unique: 1, duplicates: 0, dead: 1 });
  expect(await fixture.redrivenCounts()).toEqual([1, 1]);
});

test('a message whose dead letter is not there is a copy like any other', async () => {
  const redrive = await fixture.redriveAt(2, dead(1));
  expect(await fixture.storeAgain(redrive)).toBe(OUTCOME_STORED);
  expect(await fixture.storeAgain(await fixture.redriveAt(3, dead(1)))).toBe(OUTCOME_DUPLICATE);
  expect(await auditedTotals(fixture.database)).toMatchObject({ unique: 1, duplicates: 1, dead: 0 });
  await fixture.keep(await fixture.redriveAt(4, dead(1, 'e4')));
  expect(await fixture.letterAt(4)).toMatchObject({ state: 'open', redrive_of: 1 });
  expect(await fixture.redrivenCounts()).toEqual([0, 0]);
  expect(await fixture.underWay()).toBe(0);
});

test('one that was discarded while its message was under way is redriven all the same', async () => {
  const letter = dead(1);
  await fixture.keep(letter);
  const redrive = await fixture.redriveAt(2, letter);
  await fixture.database.pool.query("update dead_letters set state = 'discarded', state_since = now()");
  expect(await fixture.storeAgain(redrive)).toBe(OUTCOME_STORED);
  expect(await fixture.letterAt(1)).toMatchObject({ state: 'redriven', redriven_position: 2 });
  expect(await fixture.redrivenCounts()).toEqual([1, 1]);
});

test('a tally is redriven as a tally, and once', async () => {
  const groups = [{ topic: 'orders', source: 'shop', eventIds: ['a', 'b'] }];
  const letter = tallyAt(1, groups);
  await fixture.keep(letter);
  const redrive = await fixture.redriveAt(2, letter);
  expect(redrive.content.kind).toBe('tally');
  expect(await fixture.storeAgain(redrive)).toBe(OUTCOME_DUPLICATE);
  const after = await fixture.everything();
  expect(await fixture.storeAgain(redrive)).toBe(OUTCOME_DUPLICATE);
  expect(await fixture.everything()).toEqual(after);
  expect(await fixture.storeAgain(await fixture.redriveAt(3, letter))).toBe(OUTCOME_UNSPECIFIED);
  expect(await auditedTotals(fixture.database)).toMatchObject({ duplicates: 2, dead: 1 });
  expect(await fixture.redrivenCounts()).toEqual([1, 1]);
});

test('a tally that counts nothing is none: what was received would go down by it', () => {
  const { message } = tallyAt(1, [{ topic: 'orders', source: 'shop', eventIds: [] }]);
  const read = readDelivery({ ...message, reply: '$JS.ACK.stream.consumer.1.1.1.1000.0' } as unknown as Msg, 0n, names);
  expect(read.content).toMatchObject({ kind: 'undecodable' });
});

test('a redrive that Postgres refuses changes nothing', async () => {
  const letter = dead(1, 'e1', '{"a":"\\u0000"}');
  await fixture.keep(letter);
  const redrive = await fixture.redriveAt(2, letter);
  const before = await fixture.everything();
  expect(sqlStateOf(await fixture.storeAgain(redrive).catch((error: unknown) => error))).toBe('22P05');
  await fixture.database.pool.query(`
    create function refuse() returns trigger language plpgsql as
    $$ begin raise exception 'refused late' using errcode = '22023'; end $$;
    create trigger refuse after insert on event_keys for each row execute function refuse()`);
  const late = await fixture.redriveAt(3, dead(1));
  expect(sqlStateOf(await fixture.storeAgain(late).catch((error: unknown) => error))).toBe('22023');
  expect(await fixture.everything()).toEqual(before);
  expect(await fixture.underWay()).toBe(2);
});

test('a redrive and a dead letter of an epoch that is over are refused', async () => {
  const letter = dead(1);
  await fixture.keep(letter);
  const redrive = await fixture.redriveAt(2, letter);
  await fixture.openEpoch('two');
  for (const attempt of [() => fixture.storeAgain(redrive), () => fixture.keep(redrive), () => fixture.keep(dead(5))]) {
    expect(sqlStateOf(await attempt().catch((error: unknown) => error))).toBe('ES001');
  }
  expect(await fixture.underWay()).toBe(1);
});

test('what an older copy of the broker brings back counts nothing: dead letters, redrives and surplus ones', async () => {
  const poison = dead(1, randomBytes(8).toString('hex'), '{"a":"\\u0000"}');
  const letter = dead(2);
  for (const each of [poison, letter]) await fixture.keep(each);
  const redrive = await fixture.redriveAt(3, letter);
  const surplus = await fixture.redriveAt(4, letter);
  const again = await fixture.redriveAt(5, poison);
  await fixture.storeAgain(redrive);
  await fixture.storeAgain(surplus);
  await fixture.keep(again);
  await fixture.advance(5);
  const counted = await auditedTotals(fixture.database);

  const epoch = await fixture.openEpoch('one', 5);
  const moved = (delivery: Delivery): Delivery => ({ ...delivery, position: delivery.position + 5n });
  for (const each of [poison, letter]) await fixture.keep(moved(each), epoch);
  for (const each of [redrive, surplus]) expect(await fixture.storeAgain(moved(each), epoch)).toBe(OUTCOME_UNSPECIFIED);
  await fixture.keep(moved(again), epoch);
  expect(await auditedTotals(fixture.database)).toEqual({ ...counted, positions: 10, distinct_positions: 10 });
  expect(await fixture.redrivenCounts()).toEqual([2, 2]);
  expect(await fixture.letterAt(2)).toMatchObject({ state: 'redriven', redriven_position: 3 });
});

test('a broker that gives old sequences out again is noticed, by a surplus redrive and by a poison message too', async () => {
  const letter = dead(1);
  await fixture.keep(letter);
  await fixture.storeAgain(await fixture.redriveAt(2, letter));
  await fixture.store(copyAt({ position: 3, eventId: 'e3' }));
  await fixture.advance(3);
  const before = await fixture.everything();
  const surplus = await fixture.redriveAt(3, letter);
  const later = { ...dead(3), receivedAtUs: someTimeUs + 99n };
  for (const attempt of [() => fixture.storeAgain(surplus), () => fixture.keep(surplus), () => fixture.keep(later)]) {
    expect(sqlStateOf(await attempt().catch((error: unknown) => error))).toBe('ES002');
  }
  expect(await fixture.everything()).toEqual(before);
});
