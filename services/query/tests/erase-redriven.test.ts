import { EventStatus } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { beforeEach, expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { type SentAgain, sendAgain } from '../src/dead-letters/send-again.js';
import { eraseStep } from '../src/erase/erase-step.js';
import { eraseEvents } from '../src/rpc/erase-events.js';
import { getEvent } from '../src/rpc/get-event.js';
import { reconcile } from '../src/rpc/reconcile.js';
import { redriveDeadLetters } from '../src/rpc/redrive-dead-letters.js';
import type { Statements } from '../src/sql/database.js';
import { openFixture, type QueryFixture, someTime } from './query-fixture.js';

const target = { topic: 'orders', eventId: 'bad' };
const later = { code: 'UNAVAILABLE', retryAfterMs: 1_000 };
const stepDone = { events: 1, more: false };

let fixture: QueryFixture;
beforeEach(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  await fixture.send(1);
  await fixture.deadLetter(1, 'orders', 'bad');
  await settle(1);
  return () => fixture.close();
});

const sql = async (text: string) => (await fixture.database.pool.query(text)).rows;
const erase = (eventId = 'bad') => eraseEvents(fixture.queries, { topic: 'orders', eventId });
const step = () => fixture.queries.database.inTransaction((transaction) => eraseStep(transaction, target));
const redrive = () =>
  redriveDeadLetters(fixture.queries, { positions: [1n], filter: undefined, limit: 0, dryRun: false });
const letter = async () => (await sql('select state, code, octet_length(body) as bytes from dead_letters'))[0];

const someoneWaits =
  "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')";

async function sendAll(positions: readonly number[]): Promise<SentAgain[]> {
  const sent: SentAgain[] = [];
  const letters = positions.map((position) => ({ position: String(position), bytes: 1 }));
  for await (const each of sendAgain(fixture.queries, letters)) sent.push(each);
  return sent;
}

async function settle(position: number): Promise<void> {
  await fixture.advance(position);
  await fixture.jsm.streams.purge(fixture.names.stream);
  while (await fixture.database.value<boolean>('select roll_up_v1(20000)'));
}

/** Stores the message of a redrive as the worker does that was behind. */
const storeRedriven = (position: number, sending = 1) =>
  sql(`select * from store_redrive_v1(
    1, 0::smallint, ${sending}, 1, ${position}, '${someTime}', 'orders', 'bad', now(), 's', '{"name":"Ada"}', null)`);

test.each(['', 'bad'])(
  'what a redrive on its way carries is not erased before it is stored, then it goes too (id "%s")',
  async (eventId) => {
    await fixture.store({ position: 2, eventId: 'e2' });
    await sql('insert into redrives (dead_letter, position) values (1, 3)');
    await fixture.send(2);
    await settle(2);
    await expect(erase(eventId)).rejects.toMatchObject(later);
    expect(await letter()).toEqual({ state: 'open', code: '22P02', bytes: 1 });

    await storeRedriven(3);
    await settle(3);
    await erase(eventId);
    const { status } = await getEvent(fixture.queries, { ...target, payloadFormat: 0 });
    expect(status).toBe(EventStatus.EVENT_STATUS_EXPIRED);
    expect(await sql("select from events where event_id = 'bad'")).toEqual([]);
    expect(await letter()).toEqual({ state: 'redriven', code: 'ERASED', bytes: 0 });
    expect((await reconcile(fixture.queries)).differences).toEqual([]);
  },
);

test('an erasure waits for a redrive that the worker is about to store', async () => {
  expect(await redrive()).toMatchObject({ sent: 1, results: [{ redrivenPosition: 2n }] });
  const erasing = eraseEvents({ ...fixture.queries, erasePatienceMs: 20_000 }, target);
  await storeRedriven(2);
  await settle(2);
  expect(await erasing).toEqual({ erased: 1n, more: false });
  expect(await sql('select from events')).toEqual([]);
});

test('a redrive that begins after the wait is found by the step', async () => {
  await redrive();
  await expect(step()).rejects.toMatchObject(later);
  expect(await letter()).toMatchObject({ state: 'open', bytes: 1 });
});

test('a redrive that was stored after the wait is found by the step until it is settled', async () => {
  await redrive();
  await storeRedriven(2);
  await expect(step()).rejects.toMatchObject(later);
  await settle(2);
  expect(await step()).toEqual(stepDone);
});

test('nobody redrives during a step: after it there is nothing to send', async () => {
  const writeDown = () =>
    fixture.queries.database.inTransaction(async (transaction) => {
      await transaction.query("set local lock_timeout = '50ms'");
      await transaction.query('insert into redrives (dead_letter) values (1)');
    });
  await fixture.queries.database.inTransaction(async (transaction) => {
    expect(await eraseStep(transaction, target)).toEqual(stepDone);
    await expect(writeDown()).rejects.toMatchObject({ code: '55P03' });
  });
  expect(await redrive()).toMatchObject({ sent: 0, results: [{ error: { code: 'ERASED' } }] });
});

test.each([
  ['erased', 'ERASED', (transaction: Statements) => eraseStep(transaction, target)],
  [
    'removed',
    'NOT_FOUND',
    async (transaction: Statements) => {
      await transaction.query('lock table redrives in share mode');
      await transaction.query('delete from dead_letters');
    },
  ],
])('a dead letter that is %s after it was chosen is not sent', async (_, code, takeAway) => {
  const { database, jsm, names } = fixture;
  await fixture.deadLetter(2, 'orders', 'other');
  const { last_seq: lastBefore } = (await jsm.streams.info(names.stream)).state;
  let sending: Promise<SentAgain[]> | undefined;
  await fixture.queries.database.inTransaction(async (transaction) => {
    await takeAway(transaction);
    sending = sendAll([1, 2]);
    await waitUntil('who sends waits', () => database.value<boolean>(someoneWaits));
  });
  const gone = code === 'NOT_FOUND' ? [1n, 2n] : [1n];
  const results = (await sending) ?? [];
  const notSent = results.filter(({ error }) => error !== undefined);
  expect(notSent.map(({ position, error }) => [position, error?.code])).toEqual(gone.map((each) => [each, code]));
  expect((await jsm.streams.info(names.stream)).state.last_seq - lastBefore).toBe(2 - gone.length);
  expect(await sql('select dead_letter::int from redrives')).toEqual(gone.length === 2 ? [] : [{ dead_letter: 2 }]);
});

test('redrives of other events hold up nothing', async () => {
  await fixture.deadLetter(2, 'orders', 'other');
  await sql('insert into redrives (dead_letter) values (2)');
  expect(await erase()).toEqual({ erased: 1n, more: false });
});

test('a redrive of which nobody knows whether it arrived holds an erasure up until another one is stored', async () => {
  await sql('insert into redrives (dead_letter) values (1)');
  await expect(erase()).rejects.toMatchObject(later);
  await redrive();
  await storeRedriven(2, 2);
  await settle(2);
  expect(await erase()).toEqual({ erased: 1n, more: false });
  expect(await sql('select sending::int from redrives')).toEqual([{ sending: 1 }]);
});

test.each([
  ['was never placed', 'null', true],
  ['the watermark has passed', '1', true],
  ['still waits in the stream', '2', false],
])('a redrive of yesterday that %s is waited for or not', async (_, position, isErased) => {
  await sql(
    `insert into redrives (dead_letter, position, sent_at) values (1, ${position}, now() - interval '25 hours')`,
  );
  if (isErased) expect(await erase()).toEqual({ erased: 1n, more: false });
  else await expect(erase()).rejects.toMatchObject(later);
});

test('dead letters are locked by position, before anything is erased, as by everybody else', async () => {
  await fixture.send(3);
  await fixture.deadLetter(2, 'orders', 'b');
  await fixture.deadLetter(3, 'orders', 'a');
  await fixture.store({ position: 4 });
  await settle(4);
  const other = await fixture.database.pool.connect();
  let erasing: ReturnType<typeof erase> | undefined;
  try {
    await other.query('begin');
    await other.query('select from dead_letters where position = 2 for update');
    erasing = erase('');
    await waitUntil('the erasure waits for it', () => fixture.database.value<boolean>(someoneWaits));
    await other.query('select from dead_letters where position = 3 for update nowait');
    await other.query('select from events where position = 4 for update nowait');
    await other.query('commit');
  } finally {
    other.release(true);
  }
  expect(await erasing).toEqual({ erased: 4n, more: false });
});
