import { randomBytes } from 'node:crypto';
import { type BrokerNames, namesFor } from '@eventsieve/contract/names';
import { type BrokerLink, openBrokerLink } from '@eventsieve/runtime/broker-link';
import { ensureStream } from '@eventsieve/runtime/stream';
import { createPool } from '@eventsieve/store/pool';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { inject } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { readsLastPosition } from '../src/last-position.js';
import type { Queries } from '../src/queries.js';
import { searchesEvents } from '../src/search/search-events.js';
import { slotsOf } from '../src/search/slots.js';
import { sendsToStream } from '../src/send-to-stream.js';
import { databaseOf, type Statements } from '../src/sql/database.js';

export const silent = pino({ level: 'silent' });

export interface StoredCopy {
  readonly position: number;
  readonly topic?: string;
  readonly eventId?: string;
  readonly source?: string;
  readonly payload?: string;
  readonly timestamp?: string;
  readonly receivedAt?: string;
}

export interface QueryFixture {
  readonly database: TestDatabase;
  readonly names: BrokerNames;
  readonly jsm: JetStreamManager;
  readonly link: BrokerLink;
  readonly queries: Queries;
  readonly pool: Pool;
  /** Where lists ask, as the service has it. */
  readonly planned: Statements;
  /** Sends messages to the stream; the sequence of the last. */
  send(count: number): Promise<number>;
  openEpoch(reason?: string): Promise<void>;
  /** Stores what a worker would have stored under these positions. */
  store(...copies: readonly StoredCopy[]): Promise<void>;
  storeTally(position: number, topic: string, eventIds: readonly string[]): Promise<void>;
  deadLetter(position: number, topic: string, eventId: string): Promise<void>;
  advance(committed: number, known?: number): Promise<void>;
  /** Takes these messages out of the stream, as an ack does. */
  leave(...sequences: readonly number[]): Promise<void>;
  /** Waits at a consumer for messages, as a worker does. */
  pullFrom(durable: string): Promise<{ stop(): Promise<unknown> }>;
  close(): Promise<void>;
}

export const someTime = new Date(Date.now() - 60_000).toISOString();

/** A database, a stream and the functions under test between the two, with no other service running. */
export async function openFixture(): Promise<QueryFixture> {
  const database = await createDatabase();
  const names = namesFor(`q${randomBytes(4).toString('hex')}`);
  const connection = await connect({ servers: inject('natsUrl') });
  const jsm = await jetstreamManager(connection);
  await makeStream(jsm, names);
  const link = openBrokerLink({ url: inject('natsUrl'), name: 'test', logger: silent });
  await waitUntil('the link to be up', () => link.connection());
  // As the service has it: the planner of a new database would compile the simplest statement.
  const options = { url: database.url, name: 'test', max: 4, statementTimeoutMs: 20_000, onError: () => undefined };
  const pool = createPool(options);
  const statements = databaseOf(pool);
  const listPool = createPool({ ...options, plansOnce: true });
  const planned = databaseOf(listPool);
  await database.pool.query(`select ensure_event_partition_v1(d::date)
    from generate_series(current_date - 2, current_date + 1, interval '1 day') d`);
  const epoch = () => database.value<number>('select max(epoch) from epochs');

  return {
    database,
    names,
    jsm,
    link,
    pool,
    planned,
    queries: {
      database: statements,
      auditDatabase: statements,
      drizzle: drizzle(pool),
      lastPosition: readsLastPosition({ link, names, timeoutMs: 10_000 }),
      names,
      searchEvents: searchesEvents({ database: statements, planned, slots: slotsOf(2) }),
      searchTimeoutMs: 20_000,
      sendToStream: sendsToStream(link, 10_000),
      redrivePatienceMs: 200,
      lookupPatienceMs: 300,
      erasePatienceMs: 300,
      startedAtMs: Date.now(),
    },
    async send(count) {
      let last = 0;
      for (let i = 0; i < count; i++) last = (await jetstream(connection).publish(`${names.eventSubjectPrefix}t`)).seq;
      return last;
    },
    async openEpoch(reason = 'test') {
      const { created, state } = await jsm.streams.info(names.stream);
      const present = (await epoch()) ?? 0;
      await database.pool.query('select open_epoch_v2($1, $2, $3, $4, $5)', [
        present,
        created,
        state.first_seq,
        state.last_seq,
        reason,
      ]);
    },
    async store(...copies) {
      const column = <T>(read: (copy: StoredCopy) => T) => copies.map(read);
      await database.pool.query(
        `select store_batch_v1($1, 0::smallint, $2, $3, $4, $5, $6, $7, $8, $9::text[]::jsonb[], '{}', '{}', '{}')`,
        [
          await epoch(),
          Math.min(...column(({ position }) => position)),
          column(({ position }) => position),
          column(({ receivedAt }) => receivedAt ?? someTime),
          column(({ topic }) => topic ?? 'orders'),
          column(({ eventId, position }) => eventId ?? `e${position}`),
          column(({ timestamp }) => timestamp ?? '2024-05-01T12:00:00Z'),
          column(({ source }) => source ?? 'shop'),
          column(({ payload }) => payload ?? '{}'),
        ],
      );
    },
    async storeTally(position, topic, eventIds) {
      const groups = [{ topic, source: 'shop', event_ids: eventIds }];
      await database.pool.query(
        `select store_batch_v1($1, 0::smallint, $2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', $3, $4, $5::text[]::jsonb[])`,
        [await epoch(), position, [position], [someTime], [JSON.stringify(groups)]],
      );
    },
    async deadLetter(position, topic, eventId) {
      await database.pool.query(
        `select dead_letter_v1($1, 0::smallint, $2, $3, $4, $5, 's', '{}', '\\x00', '22P02', 'test', 1)`,
        [await epoch(), position, someTime, topic, eventId],
      );
    },
    async advance(committed, known = committed) {
      await database.pool.query('select advance_watermark_v1($1, $2, $3)', [await epoch(), committed, known]);
    },
    async leave(...sequences) {
      for (const sequence of sequences) await jsm.streams.deleteMessage(names.stream, sequence, false);
    },
    async pullFrom(durable) {
      const consumer = await jetstream(connection).consumers.get(names.stream, durable);
      const messages = await consumer.consume({ callback: () => undefined });
      return { stop: () => messages.close() };
    },
    async close() {
      await jsm.streams.delete(names.stream).catch(() => undefined);
      await link.close();
      await connection.close();
      await Promise.all([pool.end(), listPool.end()]);
      await database.drop();
    },
  };
}

export async function makeStream(jsm: JetStreamManager, names: BrokerNames): Promise<void> {
  await ensureStream(jsm, names, { maxBytes: 64 * 1024 ** 2, maxMessages: 0, dedupWindowMs: 120_000, replicas: 1 });
}
