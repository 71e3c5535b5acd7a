import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { durableOf, namesFor, pullSubjectOf } from '@eventsieve/contract/names';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection, nanos } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { startWorker } from '../src/start.js';
import { copyOf, text } from './poison.js';

let database: TestDatabase;
let connection: NatsConnection;
let jsm: JetStreamManager;
let prefix: string;
let names: ReturnType<typeof namesFor>;
let worker: Awaited<ReturnType<typeof startWorker>>;
let lines: string[];
const durableName = () => durableOf(names, 1);

beforeEach(async () => {
  database = await createDatabase();
  connection = await connect({ servers: inject('natsUrl') });
  jsm = await jetstreamManager(connection);
  prefix = `l${randomBytes(4).toString('hex')}`;
  names = namesFor(prefix);
  await start();
  await waitUntil('it consumes', () => said('consuming').length > 0);
});
afterEach(async () => {
  await worker.stop();
  await jsm.streams.delete(names.stream);
  await connection.close();
  await database.drop();
});

async function start(): Promise<void> {
  lines = [];
  const environment = {
    DATABASE_URL: database.url,
    NATS_URL: inject('natsUrl'),
    NATS_PREFIX: prefix,
    WORKER_METRICS_PORT: '0',
    STREAM_MAX_BYTES: '64MB',
  };
  worker = await startWorker(environment, pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }));
}

const said = (what: string) => lines.filter((line) => (JSON.parse(line) as { msg: string }).msg.startsWith(what));
const stored = () => database.value<number>('select count(*)::int from events');

async function publish(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    connection.publish(`${names.eventSubjectPrefix}t`, copyOf(text(`e${i}`), text('{}')));
  }
  await connection.flush();
}

test('a bound on how many may be asked for at once is kept', async () => {
  await jsm.consumers.update(names.stream, durableName(), { max_batch: 50 });
  await worker.stop();
  await start();
  await publish(500);
  await waitUntil('all are stored', async () => (await stored()) === 500);
  expect(said('consuming ended').length).toBeLessThanOrEqual(1);
});

test('a consumer whose requests are bounded in bytes or in time is made anew', async () => {
  await jsm.consumers.update(names.stream, durableName(), { max_bytes: 1_000, max_expires: nanos(1_000) });
  await worker.stop();
  await start();
  await publish(5);
  await waitUntil('all are stored', async () => (await stored()) === 5);
  expect(said('the consumer bounds the bytes of a request').length).toBe(1);
});

test('what ends at once is tried again with a pause, until it goes', async () => {
  await worker.stop();
  // Somebody who says no in the place of the broker, as that does to what is over one of its bounds.
  const refusing = connection.subscribe(pullSubjectOf(names.stream, durableName()), {
    callback: (_, message) => void message.respond('', { headers: headers(409, 'Not Now') }),
  });
  await start();
  await delay(3_000);
  expect(said('consuming ended').length).toBeGreaterThan(1);
  expect(said('consuming ended').length).toBeLessThan(8);
  refusing.unsubscribe();
  await publish(5);
  await waitUntil('all are stored', async () => (await stored()) === 5);
});
