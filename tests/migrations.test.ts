import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { QueryServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/query';
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthService,
  HealthCheckResponse_ServingStatus as Serving,
} from '@eventsieve/contract/gen/grpc/health/v1/health';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { migrateStore } from '@eventsieve/store/migrate';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { afterEach, expect, inject, test } from 'vitest';
import { createDatabase, type TestDatabase } from './support/database.js';
import { type ServiceProcess, startService } from './support/processes.js';
import { eventOf, publish } from './support/publishers.js';
import { startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const store = fileURLToPath(new URL('../packages/store/', import.meta.url));
const journal = JSON.parse(readFileSync(`${store}migrations/meta/_journal.json`, 'utf8')) as {
  entries: { when: number; tag: string }[];
};
const newest = journal.entries.at(-1) as (typeof journal.entries)[number];
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

async function emptyDatabase(): Promise<TestDatabase> {
  const database = await createDatabase(undefined, { migrate: false });
  cleanups.push(() => database.drop());
  return database;
}

/** The command, in a process of its own. */
function startMigrating(url: string): { child: ChildProcess; ended: Promise<{ code: number | null; said: string }> } {
  const child = spawn(process.execPath, [`${store}dist/migrate-main.js`], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH, DATABASE_URL: url },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return { child, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, said })) };
}

/** Applies as many of the migrations, from the first on. */
async function migrateSome(database: TestDatabase, count: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-migrations-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'meta'));
  const entries = journal.entries.slice(0, count);
  for (const { tag } of entries) copyFileSync(`${store}migrations/${tag}.sql`, join(folder, `${tag}.sql`));
  writeFileSync(join(folder, 'meta/_journal.json'), JSON.stringify({ ...journal, entries }));
  await migrate(drizzle(database.pool), {
    migrationsFolder: folder,
    migrationsSchema: 'public',
    migrationsTable: 'eventsieve_migrations',
  });
}

/** Brings a database to where the first version had it: without what today's statistics read. */
const migrateTheFirst = (database: TestDatabase) => migrateSome(database, 2);

async function start(service: 'dedup-worker' | 'query', database: TestDatabase): Promise<ServiceProcess> {
  const process = await startService(service, {
    DATABASE_URL: database.url,
    NATS_URL: inject('natsUrl'),
    NATS_PREFIX: `m${randomBytes(4).toString('hex')}`,
    ...Object.fromEntries(['WORKER_METRICS_PORT', 'HTTP_PORT', 'QUERY_GRPC_PORT'].map((name) => [name, '0'])),
  });
  cleanups.push(() => process.kill());
  return process;
}

const applied = (database: TestDatabase) =>
  database.value<string[]>('select array_agg(created_at::text order by id) from eventsieve_migrations');
const known = journal.entries.map(({ when }) => String(when));

test('five processes may migrate an empty database at once: each migration is applied once', async () => {
  const database = await emptyDatabase();
  const endings = await Promise.all(Array.from({ length: 5 }, () => startMigrating(database.url).ended));
  expect(endings).toEqual(Array(5).fill({ code: 0, said: 'The database schema is up to date.\n' }));
  expect(await applied(database)).toEqual(known);
});

const states = [
  ['that is empty', async () => undefined, 'has no schema yet'],
  ['whose schema is too old', migrateTheFirst, 'too old, it lacks 0002_dead_letters, '],
] as const;

for (const [state, prepare, complaint] of states) {
  test(`a worker on a database ${state} says so once, with the command, and works once it is migrated`, async () => {
    const database = await emptyDatabase();
    await prepare(database);
    const worker = await start('dedup-worker', database);
    const health = async () => {
      const response = await fetch(`http://${worker.addresses.metrics}/health`);
      return {
        ok: response.ok,
        ...((await response.json()) as { uptime_seconds: number; parts: Record<string, boolean> }),
      };
    };
    await waitUntil('NATS', async () => 'nats' in (await health()).parts && worker.output().includes('connected to'));
    await waitUntil('Postgres answers', async () => (await health()).parts.postgres);
    // Several tries later, and at no moment in between it knows less than after the first.
    for (let uptime = 0; uptime <= 3; ) {
      const { ok, parts, uptime_seconds } = await health();
      expect({ ok, parts }).toMatchObject({
        ok: false,
        parts: { postgres: true, schema: false, nats: true, consumer: false },
      });
      uptime = uptime_seconds;
    }
    const complaints = () =>
      worker
        .output()
        .split('\n')
        .filter((line) => line.includes('not consuming yet'));
    expect(complaints()).toHaveLength(1);
    expect(complaints()[0]).toContain(complaint);
    expect(complaints()[0]).toContain('npm run migrate');

    expect((await startMigrating(database.url).ended).code).toBe(0);
    await waitUntil('the worker to consume', async () => (await health()).ok);
    // In the middle of migrating an empty database its schema is too old for a moment.
    expect(complaints().length).toBeLessThanOrEqual(2);
    for (const later of complaints().slice(1)) expect(later).toContain('too old');
  });
}

/** What the server's health says of a name. */
function healthOf(address: string, service = ''): Promise<Serving | undefined> {
  const client = new Client(address, credentials.createInsecure());
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      HealthService.check.path,
      (message: HealthCheckRequest) => Buffer.from(HealthCheckRequest.encode(message).finish()),
      (bytes) => HealthCheckResponse.decode(bytes),
      { service },
      (_error, response) => {
        client.close();
        resolve(response?.status);
      },
    );
  });
}

for (const [state, prepare, complaint] of states) {
  test(`a query service on a database ${state} does not serve, names the command, and serves once it is migrated`, async () => {
    const database = await emptyDatabase();
    await prepare(database);
    const query = await start('query', database);
    const grpc = String(query.addresses.grpc);
    const http = String(query.addresses.http);
    await waitUntil('NATS', async () => (await healthOf(grpc, 'nats')) === Serving.SERVING);
    expect(await healthOf(grpc)).toBe(Serving.NOT_SERVING);
    const health = await fetch(`${http}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ parts: { postgres: false } });

    const client = new QueryServiceClient(grpc, credentials.createInsecure());
    const failed = await new Promise<ServiceError | null>((resolve) => client.getStats({}, resolve));
    client.close();
    expect(fromGrpcError(failed as ServiceError)).toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'SCHEMA_TOO_OLD',
      message: expect.stringMatching(`${complaint}.*npm run migrate`),
    });
    const empty = prepare !== migrateTheFirst;
    for (const path of empty ? ['/stats', '/events', '/events/t/e', '/stats/reconcile'] : ['/stats']) {
      const response = await fetch(`${http}${path}`);
      expect(response.status, path).toBe(503);
      expect(response.headers.get('retry-after')).toBe('1');
      expect(await response.text()).toMatch(new RegExp(`${complaint}.*npm run migrate`));
    }

    await migrateStore(database.url);
    for (const path of ['/stats', '/events']) expect((await fetch(`${http}${path}`)).status).toBe(200);
    await waitUntil('it to serve', async () => (await healthOf(grpc)) === Serving.SERVING);
  });
}

test('something undefined in a schema that has everything is an internal error, and no advice to migrate', async () => {
  const database = await emptyDatabase();
  await migrateStore(database.url);
  await database.pool.query('alter table topic_counters rename column unique_count to gone');
  const query = await start('query', database);
  const response = await fetch(`${query.addresses.http}/stats`);
  expect(response.status).toBe(500);
  expect(await response.text()).not.toMatch(/migrate/);
});

test('services work on a schema that is newer than they know, and migrating leaves it as it is', async () => {
  const system = await startSystem();
  cleanups.push(() => system.stop());
  const { database } = system;
  await database.pool.query(`
    insert into eventsieve_migrations (hash, created_at) values ('of a later version', ${newest.when + 1});
    alter table events add column note text;
    alter table event_keys add column note text default 'x';
    alter table topic_counters add column note_count bigint not null default 0;
    create table annotations (position bigint primary key);
    create function store_batch_v9(of_epoch integer) returns integer language sql as 'select 1'`);
  expect((await startMigrating(database.url).ended).code).toBe(0);
  expect(await applied(database)).toEqual([...known, String(newest.when + 1)]);
  // Those that were there before the change, and those that come after it.
  for (const round of ['before', 'after']) {
    const client = system.ingest();
    const copies = [0, 1].map(() => eventOf({ topic: 'newer', eventId: round, payload: '{"a":1}' }));
    const { results } = await publish(client, copies, WaitFor.WAIT_FOR_STORED);
    client.close();
    expect(results.map(({ outcome }) => outcome)).toEqual([Outcome.OUTCOME_STORED, Outcome.OUTCOME_DUPLICATE]);
    const page = (await (await fetch(`${system.http}/events?topic=newer`)).json()) as { events: object[] };
    expect(page.events.at(0)).toMatchObject({ event_id: expect.any(String), payload: { a: 1 } });
    expect(await (await fetch(`${system.http}/stats/reconcile`)).json()).toMatchObject({ ok: true });
    expect((await fetch(`${system.http}/health`)).status).toBe(200);
    if (round === 'after') break;
    await Promise.all([system.workers[0]?.stop(), system.query?.stop()]);
    system.workers[0] = await system.startWorker();
    system.query = await system.startQuery();
    await waitUntil('all to be well', async () => (await fetch(`${system.http}/health`)).ok);
  }
  expect(await database.value('select note from event_keys limit 1')).toBe('x');
});

test('what is only inserted is vacuumed early and analyzed seldom: keys, refused copies, and days from before and after', async () => {
  const database = await emptyDatabase();
  const madeBy = journal.entries.findIndex(({ tag }) => tag === '0008_vacuum_early');
  await migrateSome(database, madeBy);
  await database.pool.query(`select ensure_event_partition_v1('2026-01-01')`);
  const tablesWith = (options: string) =>
    database.value<string[]>(
      `select array_agg(relname::text order by relname) from pg_class where relkind = 'r' and reloptions @> '{${options}}'`,
    );
  const early = () => tablesWith('autovacuum_vacuum_insert_scale_factor=0,autovacuum_vacuum_insert_threshold=100000');
  const seldom = () => tablesWith('autovacuum_analyze_scale_factor=0.5');
  expect([await early(), await seldom()]).toEqual([null, null]);
  await migrateStore(database.url);
  await database.pool.query(`select ensure_event_partition_v1('2026-01-02')`);
  const insertedOnly = ['event_keys', 'events_20260101', 'events_20260102', 'refused'];
  expect([await early(), await seldom()]).toEqual([insertedOnly, insertedOnly]);
});

for (const how of ['its process is killed', 'its connection is ended'] as const) {
  test(`when a migration is in the middle and ${how}, nothing of it stays, and the next one completes`, async () => {
    const database = await emptyDatabase();
    // It gets as far as this table, and waits for its name.
    const other = await database.pool.connect();
    await other.query('begin');
    await other.query('create table dead_letters ()');
    const first = startMigrating(database.url);
    const waiting = await waitUntil('the migration to wait', () =>
      database.value<number>(
        `select min(pid) from pg_stat_activity where datname = current_database()
         and application_name = 'eventsieve-migrate' and wait_event_type = 'Lock'`,
      ),
    );
    if (how === 'its process is killed') {
      first.child.kill('SIGKILL');
      expect((await first.ended).code).toBe(null);
    } else {
      await database.pool.query('select pg_terminate_backend($1)', [waiting]);
      expect(await first.ended).toMatchObject({ code: 1, said: expect.stringContaining('Could not migrate') });
    }
    expect(await database.value(`select to_regclass('event_keys')`)).toBe(null);
    await other.query('rollback');
    other.release();
    expect((await startMigrating(database.url).ended).code).toBe(0);
    expect(await applied(database)).toEqual(known);
  });
}
