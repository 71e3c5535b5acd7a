import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');

/** Also those that are indented, in a list. */
const statementsOf = (path: string) =>
  [...read(path).matchAll(/^ *```sql\n([\s\S]*?)^ *```$/gm)].map(([, block = '']) => block.trim());

let system: System;

beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.stop());

interface Body {
  readonly [name: string]: unknown;
}

async function publish(ids: readonly string[], more: object = {}, query = ''): Promise<Body> {
  const events = ids.map((event_id) => ({
    topic: 'orders',
    event_id,
    timestamp: '2026-11-21T10:00:00Z',
    source: 'shop',
    payload: { total: 12.5, currency: 'EUR' },
    ...more,
  }));
  const response = await fetch(`${system.http}/publish${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  expect(response.status).toBeLessThan(300);
  return (await response.json()) as Body;
}

const get = async (path: string) => (await (await fetch(system.http + path)).json()) as Body;

describe('the queries of the documents', () => {
  let client: Client;

  beforeAll(async () => {
    await publish(['o-1001', 'o-1002', 'o-1002']);
    await publish(['o-1001'], { payload: { total: 13 } });
    // The broker's window drops the second one of two.
    for (const _ of [1, 2]) await publish(['o-1003'], {}, '?wait=broker');
    await system.database.value(`
      select dead_letter_v1(1, 0::smallint, 900, now(), 'orders', 'x', 's', '{}', '\\x00', '22P05', 'a test', 1)`);
    await waitUntil('all of it is stored', async () => {
      const { unique_processed: unique, duplicate_dropped: duplicates } = await get('/stats');
      return unique === 3 && duplicates === 3;
    });
    expect((await fetch(`${system.http}/events/orders/o-1003`, { method: 'DELETE' })).status).toBe(200);
    client = new Client({ connectionString: system.database.url });
    await client.connect();
  });
  afterAll(() => client.end());

  const operations = statementsOf('docs/operations.md');

  test('there are some', () => expect(operations.length).toBeGreaterThan(12));

  test.each([...operations, ...statementsOf('docs/troubleshooting.md')])('%s', async (statement) => {
    // As pasted, but without leaving a trace: one of them sets what a role's connections start with.
    await client.query('begin');
    try {
      const result = await client.query(statement);
      const mayBeEmpty = statement.startsWith('alter role') || statement.includes('pg_stat_activity');
      if (!mayBeEmpty) expect(result.rows.length, 'rows that show something').toBeGreaterThan(0);
    } finally {
      await client.query('rollback');
    }
  });
});

test('a database put back to an older copy: what came after it is named as lost, sent again it is stored, nothing else changes', async () => {
  await system.stop();
  system = await startSystem();
  const { database } = system;
  const url = new URL(database.url);
  const name = url.pathname.slice(1);
  url.pathname = '/postgres';
  const elsewhere = new Client({ connectionString: url.href });
  await elsewhere.connect();

  async function withoutDatabase(work: () => Promise<unknown>): Promise<void> {
    await Promise.all([system.workers[0]?.kill('SIGTERM'), system.query?.kill('SIGTERM')]);
    await elsewhere.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    await work();
    system.workers[0] = await system.startWorker();
    system.query = await system.startQuery();
  }

  try {
    await publish(['a', 'b', 'c']);
    // The watermark has to be there too: it is what the copy knows of the broker.
    await waitUntil('the watermark is there', async () => (await get('/stats/reconcile')).watermark === '3');
    await withoutDatabase(() => elsewhere.query(`create database ${name}_old template ${name}`));
    await publish(['d', 'e']);
    await withoutDatabase(async () => {
      await elsewhere.query(`drop database ${name} with (force)`);
      await elsewhere.query(`alter database ${name}_old rename to ${name}`);
    });

    await waitUntil('the watermark is back', async () => (await get('/stats/reconcile')).watermark === '5');
    expect(await get('/stats')).toMatchObject({ received: 3, unique_processed: 3, in_flight: 0 });
    const lost = { differences: [{ what: 'lost_positions', positions: ['4', '5'] }] };
    expect(await get('/stats/reconcile')).toMatchObject(lost);

    expect(await publish(['a', 'b', 'c', 'd', 'e'])).toMatchObject({ inserted: 2, duplicates: 3 });
    expect(await get('/stats')).toMatchObject({ received: 8, unique_processed: 5, duplicate_dropped: 3, in_flight: 0 });
    expect(await get('/stats/reconcile')).toMatchObject(lost);
  } finally {
    await elsewhere.query(`drop database if exists ${name}_old with (force)`);
    await elsewhere.end();
  }
});
