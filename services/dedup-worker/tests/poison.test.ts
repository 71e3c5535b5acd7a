import { randomBytes } from 'node:crypto';
import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { namesFor } from '@eventsieve/contract/names';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { auditedTotals } from '../../../tests/support/exactness.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { startWorker } from '../src/start.js';

const prefix = `p${randomBytes(4).toString('hex')}`;
const names = namesFor(prefix);
let database: TestDatabase;
let connection: NatsConnection;
let worker: Awaited<ReturnType<typeof startWorker>>;

beforeAll(async () => {
  database = await createDatabase();
  connection = await connect({ servers: inject('natsUrl') });
  const environment = {
    DATABASE_URL: database.url,
    NATS_URL: inject('natsUrl'),
    NATS_PREFIX: prefix,
    WORKER_METRICS_PORT: '0',
    STREAM_MAX_BYTES: '64MB',
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

const text = (value: string) => Buffer.from(value);
const copyOf = (eventId: Buffer, payload: Buffer, timestampUs = 1_700_000_000_000_000n, topic = text('t')) =>
  Copy.encode({ topic, eventId, source: text('s'), payload, timestampUs, replyTo: '', ticket: 0n }).finish();

// One of each kind that gets past a gateway only by a bug.
const poison: readonly (readonly [what: string, body: Uint8Array, code: string])[] = [
  ['NUL in text', copyOf(text('a\0b'), text('{}')), '22021'],
  ['broken UTF-8 in text', copyOf(Buffer.from([0x61, 0xff]), text('{}')), '22021'],
  ['\\u0000 in JSON', copyOf(text('nul'), text('{"a":"\\u0000"}')), '22P05'],
  ['a lone surrogate in JSON', copyOf(text('surrogate'), text('{"a":"\\ud800"}')), '22P02'],
  ['no JSON', copyOf(text('nojson'), text('{"a":')), '22P02'],
  ['a number out of range', copyOf(text('number'), text('{"a":1e200000}')), '22003'],
  ['a key longer than an index takes', copyOf(text(randomBytes(3000).toString('hex')), text('{}')), '54000'],
  ['a timestamp out of range', copyOf(text('time'), text('{}'), -300_000_000_000_000_000n), '22008'],
  ['bytes that are no message', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f]), 'UNDECODABLE'],
  ['an empty message', new Uint8Array(0), 'UNDECODABLE'],
].map(([what, body, code]) => [what as string, body as Uint8Array, code as string]);

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
