import { randomBytes } from 'node:crypto';
import { namesFor } from '@eventsieve/contract/names';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { auditedTotals } from '../../../tests/support/exactness.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { startWorker } from '../src/start.js';
import { copyOf, poison, text } from './poison.js';

const prefix = `p${randomBytes(4).toString('hex')}`;
const names = namesFor(prefix);
const disturbing = (does: string) =>
  `create or replace function disturb() returns trigger language plpgsql as $$ begin ${does} return new; end $$`;
let database: TestDatabase;
let connection: NatsConnection;
let worker: Awaited<ReturnType<typeof startWorker>>;

beforeAll(async () => {
  database = await createDatabase();
  await database.pool.query(`
    create sequence calls;
    ${disturbing('')};
    create trigger disturb before insert on events for each row execute function disturb()`);
  connection = await connect({ servers: inject('natsUrl') });
  const environment = {
    DATABASE_URL: database.url,
    NATS_URL: inject('natsUrl'),
    NATS_PREFIX: prefix,
    WORKER_METRICS_PORT: '0',
    STREAM_MAX_BYTES: '64MB',
    STATEMENT_TIMEOUT: '1s',
  };
  worker = await startWorker(environment, pino({ level: 'silent' }));
  const jsm = await jetstreamManager(connection);
  await waitUntil('the stream is there', () => jsm.streams.info(names.stream).catch(() => undefined));
});
afterAll(async () => {
  await worker.stop();
  await (await jetstreamManager(connection)).streams.delete(names.stream);
  await connection.close();
  await database.drop();
});

test('one poison message of each kind among 500: the others are stored, each poison one is kept with its bytes and a reason', async () => {
  const good = 500 - poison.length;
  const bodies: Uint8Array[] = Array.from({ length: good }, (_, i) => copyOf(text(`good-${i}`), text(`{"i":${i}}`)));
  poison.forEach(([, body], i) => {
    bodies.splice(i * 45, 0, Uint8Array.from(body));
  });
  for (const body of bodies) connection.publish(`${names.eventSubjectPrefix}t`, body);
  await connection.flush();

  await waitUntil('all are settled', async () => {
    const rows = await database.value<number>(
      'select (select count(*) from event_keys)::int + (select count(*) from dead_letters)::int',
    );
    return rows === 500;
  });
  expect(await auditedTotals(database)).toMatchObject({ unique: good, duplicates: 0, dead: poison.length });
  const { rows } = await database.pool.query<{ body: Buffer; code: string; reason: string }>(
    'select body, code, reason from dead_letters order by position',
  );
  expect(rows.map(({ code }) => code)).toEqual(poison.map(([, , code]) => code));
  poison.forEach(([what, body], i) => {
    expect(rows[i]?.body.equals(Buffer.from(body)), what).toBe(true);
    expect(rows[i]?.reason.length, what).toBeGreaterThan(5);
  });
});

/** What is raised as `new` is stored: for the first calls only, since a sequence is not rolled back. */
async function whileEachInsert(does: string, work: () => Promise<void>): Promise<void> {
  await database.pool.query(`alter sequence calls restart; ${disturbing(does)}`);
  try {
    await work();
  } finally {
    // To drop the trigger would lock the table against the worker.
    await database.pool.query(disturbing(''));
  }
}

const storedIds = (prefix: string) =>
  database.value<number>('select count(*)::int from events where event_id like $1', [`${prefix}-%`]);

async function send(what: string, count = 500): Promise<void> {
  for (let i = 0; i < count; i++) {
    connection.publish(`${names.eventSubjectPrefix}t`, copyOf(text(`${what}-${i}`), text(`{"i":${i}}`)));
  }
  await connection.flush();
}

/** Failed calls of the worker with this remedy so far. */
async function failed(remedy: string): Promise<number> {
  const exposition = await (await fetch(`http://${worker.addresses.metrics}/metrics`)).text();
  return Number(new RegExp(`failed_calls_total\\{remedy="${remedy}"\\} (\\d+)`).exec(exposition)?.[1] ?? 0);
}

const deadLetters = () => database.value<number>('select count(*)::int from dead_letters');

/** All of it is stored in the end, and nothing of it dead-lettered: this was no poison. */
async function expectOutage(what: string, remedy: string, during: (before: number) => Promise<void>): Promise<void> {
  const dead = await deadLetters();
  const before = await failed(remedy);
  await during(before);
  await waitUntil('all are stored', async () => (await storedIds(what)) === 500, { timeoutMs: 60_000 });
  expect(await failed(remedy)).toBeGreaterThan(before);
  expect(await deadLetters()).toBe(dead);
  await auditedTotals(database);
}

test.each([
  ['a deadlock', '40P01', 'retry'],
  ['a serialization failure', '40001', 'retry'],
  ['a lock timeout', '55P03', 'retry'],
  ['a full disk', '53100', 'wait'],
  ['too many connections', '53300', 'wait'],
  ['an end by the operator', '57P01', 'wait'],
  ['a lost connection', '08006', 'wait'],
  ['a read-only transaction', '25006', 'wait'],
  ['a denied permission', '42501', 'wait'],
  ['an error of input and output', '58030', 'wait'],
  ['damaged data', 'XX001', 'wait'],
  ['a rule without a code', 'P0001', 'wait'],
])('%s (%s) is no poison: %s, and nothing is dead-lettered', async (_, code, remedy) => {
  const does = `if nextval('calls') <= 3 then raise exception 'no' using errcode = '${code}'; end if;`;
  await whileEachInsert(does, () => expectOutage(`code${code}`, remedy, () => send(`code${code}`)));
});

test('a statement that takes too long is tried in halves, and nothing is dead-lettered', async () => {
  await whileEachInsert('perform pg_sleep(0.005);', () => expectOutage('slow', 'halve', () => send('slow')));
});

test('one copy alone that takes too long waits, and is not dead-lettered', async () => {
  const dead = await deadLetters();
  await whileEachInsert("if nextval('calls') <= 2 then perform pg_sleep(3); end if;", async () => {
    await send('alone', 1);
    await waitUntil('it is stored', async () => (await storedIds('alone')) === 1);
  });
  expect(await deadLetters()).toBe(dead);
});

test('a table that somebody has locked is waited for', async () => {
  const client = await database.pool.connect();
  await client.query('begin; lock table event_keys in access exclusive mode');
  await expectOutage('locked', 'halve', async (before) => {
    await send('locked');
    await waitUntil('calls have failed', async () => (await failed('halve')) > before);
    await client.query('commit');
    client.release();
  });
});

test('a day without its partition gets one', async () => {
  const dayMs = 86_400_000;
  await waitUntil('the day to be one that lasts', () => dayMs - (Date.now() % dayMs) > 20_000);
  await database.pool.query('create table kept as select * from events');
  await expectOutage('partition', 'create-partition', async () => {
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    await database.pool.query(`drop table events_${day}`);
    await send('partition');
    await waitUntil('the partition is there', () => database.value(`select to_regclass('events_${day}')`));
    await database.pool.query('insert into events select * from kept; drop table kept');
  });
});

test('connections that are ended again and again, and a database that is read-only for a while, are waited for', async () => {
  const name = new URL(database.url).pathname.slice(1);
  const endAll = () =>
    database.pool.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name like '%dedup-worker%'",
      [name],
    );
  await expectOutage('ended', 'wait', async (before) => {
    await database.pool.query(`alter database ${name} set default_transaction_read_only = on`);
    await endAll();
    await send('ended');
    await waitUntil('calls have failed', async () => (await failed('wait')) > before);
    for (let i = 0; i < 5; i++) await endAll();
    const client = await database.pool.connect();
    await client.query('set session characteristics as transaction read write');
    await client.query(`alter database ${name} reset default_transaction_read_only`);
    client.release();
    await endAll();
  });
});
