import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Postgres, startPostgres } from '@eventsieve/embedded/postgres';
import { Pool } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { auditedTotals, expectAllStored } from './support/exactness.js';
import { planCopies, sendAll } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { startProxy, type TcpProxy } from './support/tcp-proxy.js';
import { waitUntil } from './support/wait-until.js';

let folder: string;
let postgres: Postgres;
let proxy: TcpProxy;
let system: System;
/** Not by way of the proxy. */
let direct: Pool;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-links-'));
  postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
  proxy = await startProxy(postgres.port);
  const behind = new URL(postgres.url);
  behind.port = String(proxy.port);
  system = await startSystem({ postgresUrl: behind.href, environment: { ACK_WAIT: '2s' } });
  const url = new URL(system.database.url);
  url.port = String(postgres.port);
  direct = new Pool({ connectionString: url.href, max: 2 });
  direct.on('error', () => undefined);
});

afterEach(async () => {
  await direct.end();
  proxy.cut();
  await system.stop();
  await proxy.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

const numberOf = async (text: string) => (await direct.query<{ n: number }>(text)).rows[0]?.n ?? 0;
const stored = () => numberOf('select count(*)::int as n from event_keys');

async function flowsAgain(what: string, sinceMs = performance.now()): Promise<number> {
  const before = await waitUntil('Postgres answers', stored);
  await waitUntil('events are stored again', async () => (await stored()) > before + 50);
  const tookMs = performance.now() - sinceMs;
  console.info(`${what}: flows again after ${tookMs | 0} ms`);
  return tookMs;
}

test('Postgres ends its backends, dies, restarts, and leaves connections half-open: all of it heals, exactly counted', async () => {
  const pids = system.processes().map(({ child }) => child.pid);
  let done = false;
  const load = sendAll(planCopies(1_000_000, 0.2, 'pg'), {
    connections: 2,
    batchSize: 25,
    makeClient: system.ingest,
    until: () => done,
  });
  try {
    await flowsAgain('at first');
    for (let round = 0; round < 15; round++) {
      const before = await stored();
      await direct.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'eventsieve-%'",
      );
      await waitUntil('events are stored again', async () => (await stored()) > before);
    }
    for (const way of ['kill', 'stop'] as const) {
      await postgres[way]();
      await postgres.restart();
      await flowsAgain(`Postgres restarted (${way})`);
    }
    for (const ways of ['from-server', 'both'] as const) {
      const frozenAtMs = performance.now();
      proxy.freeze(ways);
      const known = await numberOf('select known::int as n from watermark');
      // Other calls go on over new connections; the watermark waits for the one that hangs.
      await waitUntil('what hung is stored', () => numberOf(`select (position > ${known})::int as n from watermark`));
      const storedMs = performance.now() - frozenAtMs;
      await waitUntil('what hung is read', async () => (await fetch(`${system.http}/stats`)).status === 200);
      const readMs = performance.now() - frozenAtMs;
      console.info(`half-open to Postgres (${ways}): stored after ${storedMs | 0} ms, read after ${readMs | 0} ms`);
      // About five seconds each, one after the other; by the settings of TCP it would be minutes.
      expect(readMs).toBeLessThan(25_000);
    }
  } finally {
    done = true;
  }
  const { answered } = await load;
  await waitUntil('everything is stored', async () =>
    numberOf('select (position >= known and known > 0)::int as n from watermark'),
  );
  const distinct = new Set(answered.map(({ eventId }) => eventId)).size;
  const database = { ...system.database, pool: direct };
  expect(await auditedTotals(database)).toMatchObject({ unique: distinct, duplicates: answered.length - distinct });
  await expectAllStored(database, answered);
  for (const each of system.processes()) expect(each.output()).not.toContain('unforeseen error');
  expect(system.processes().map(({ child }) => [child.pid, child.exitCode])).toEqual(pids.map((pid) => [pid, null]));
}, 300_000);
