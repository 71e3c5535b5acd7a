import type { Pool } from 'pg';
import { expect, inject, test } from 'vitest';
import { startProxy, type TcpProxy } from '../../../tests/support/tcp-proxy.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { createPool } from '../src/pool.js';

interface Way {
  readonly proxy: TcpProxy;
  readonly pool: Pool;
  close(): Promise<void>;
}

async function open(changeFromServer?: (chunk: Buffer) => Buffer): Promise<Way> {
  const url = new URL(inject('postgresUrl'));
  const proxy = await startProxy(Number(url.port), changeFromServer);
  url.port = String(proxy.port);
  const name = `watched-${proxy.port}`;
  const pool = createPool({ url: url.href, name, max: 4, statementTimeoutMs: 60_000, onError: () => undefined });
  return {
    proxy,
    pool,
    async close() {
      proxy.cut();
      await pool.end();
      await proxy.stop();
    },
  };
}

/** As many connections as there may be, all idle. */
async function fill(pool: Pool): Promise<void> {
  await Promise.all([1, 2, 3, 4].map(() => pool.query('select pg_sleep(0.1)')));
}

test.concurrent.each([
  ['the answer is lost', 'from-server'],
  ['the question is lost', 'both'],
] as const)(
  'a call on a half-open connection fails within seconds, and the next one works: %s',
  async (_name, ways) => {
    const { proxy, pool, close } = await open();
    await fill(pool);
    expect(proxy.accepted()).toBe(4);
    proxy.freeze(ways);
    const begunAtMs = performance.now();
    await expect(pool.query('select 1')).rejects.toThrow('Connection terminated');
    const noticedMs = performance.now() - begunAtMs;
    console.info(`half-open to Postgres (${ways}): noticed after ${Math.round(noticedMs)} ms`);
    // About five; by the timeouts of the call it would be a minute.
    expect(noticedMs).toBeLessThan(25_000);
    // The idle ones were half-open as well, and a call on one of them would take as long again.
    await fill(pool);
    expect(performance.now() - begunAtMs - noticedMs).toBeLessThan(4_000);
    await close();
  },
);

test.concurrent('a statement that really works for long, or waits for a lock, is left alone, and is asked about one at a time', async () => {
  const { proxy, pool, close } = await open();
  const holder = await pool.connect();
  await holder.query('select pg_advisory_lock(42)');
  const works = pool.query("select 'worked' as result from pg_sleep(8)");
  const waits = pool.query('select pg_advisory_lock(42)').catch((error: unknown) => String(error));
  const watchers: number[] = [];
  let done = false;
  const sampling = waitUntil('it is over', async () => {
    const { rows } = await holder.query<{ n: number }>(
      'select count(*)::int as n from pg_stat_activity where application_name = $1',
      [`watched-${proxy.port}-watch`],
    );
    watchers.push(rows[0]?.n ?? 0);
    return done;
  });
  expect((await works).rows).toEqual([{ result: 'worked' }]);
  done = true;
  await sampling;
  expect(await waits).toContain('due to lock timeout');
  await holder.query('select pg_advisory_unlock(42)');
  holder.release();
  expect(Math.max(...watchers)).toBeLessThanOrEqual(1);
  // It was asked, and answered that they work.
  expect(proxy.accepted()).toBeGreaterThan(3);
  await close();
});

test.concurrent('a transaction that idles is not a call under way, and quick calls are never asked about', async () => {
  const { proxy, pool, close } = await open();
  const client = await pool.connect();
  await client.query('begin');
  const begunAtMs = performance.now();
  await waitUntil('some looks have passed', async () => {
    await pool.query('select 1');
    return performance.now() - begunAtMs > 6_000;
  });
  await client.query('commit');
  client.release();
  expect(proxy.accepted()).toBe(2);
  await close();
});

test.concurrent('behind a pooler, whose process numbers are its own, nothing is cut', async () => {
  const { proxy, pool, close } = await open((chunk) => {
    // BackendKeyData: K, length 12, process number, secret.
    const at = chunk.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
    if (at >= 0) chunk.writeInt32BE(2_000_000_000, at + 5);
    return chunk;
  });
  expect((await pool.query("select 'worked' as result from pg_sleep(7)")).rows).toEqual([{ result: 'worked' }]);
  expect(proxy.accepted()).toBeGreaterThan(1);
  await close();
});
