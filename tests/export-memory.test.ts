import { readFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const events = 300_000;
const payloadBytes = 400;
let system: System;
beforeAll(async () => {
  system = await startSystem({ workers: 0 });
  // As a worker would have stored them, without the time that this takes.
  await system.database.pool.query('select ensure_event_partition_v1(current_date)');
  await system.database.pool.query(
    `insert into events (position, topic, event_id, "timestamp", source, payload, received_at)
     select n, 'orders', 'e' || n, now(), 'shop', jsonb_build_object('n', n, 'text', repeat(md5(n::text), $2)), current_date + interval '1 hour'
     from generate_series(1, $1::bigint) n`,
    [events, Math.ceil(payloadBytes / 32)],
  );
  await system.database.pool.query('analyze events');
}, 120_000);
afterAll(() => system.stop());

function ask(query: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(`${system.http}/events/export${query}`, { agent: false }, resolve).on('error', reject);
  });
}

const mebibyte = 1024 ** 2;
/** What the process holds at the moment. */
function heldBytes(): number {
  const status = readFileSync(`/proc/${system.query?.child.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

async function measure(query: string) {
  const begunAtMs = performance.now();
  let [most, bytes, lines] = [0, 0, 0];
  const sampling = setInterval(() => {
    most = Math.max(most, heldBytes());
  }, 10);
  for await (const chunk of (await ask(query)) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, at + 1)) lines++;
  }
  clearInterval(sampling);
  return { lines, bytes, most, ms: performance.now() - begunAtMs };
}

it.runIf(process.platform === 'linux')(
  'an export of any size costs the same memory',
  async () => {
    // Peak beside peak: what is held between two exports depends on when it was last collected. And the first one is still
    // taking the memory that it needs to be busy.
    const third = `?cursor=${(events * 2) / 3}`;
    const thirds = [await measure(third), await measure(third)];
    const thirdMost = Math.max(...thirds.map(({ most }) => most));
    const { lines, bytes, most, ms } = await measure('');
    expect([...thirds.map((each) => each.lines), lines]).toEqual([events / 3, events / 3, events]);
    expect(bytes).toBeGreaterThan(140 * mebibyte);
    const [mib, thirdMib, grownMib] = [bytes, thirdMost, most - thirdMost].map((each) => Math.round(each / mebibyte));
    console.log(
      `${events} events, ${mib} MiB, ${Math.round(ms)} ms; a third holds ${thirdMib} MiB, all of them ${grownMib} more`,
    );
    expect(grownMib).toBeLessThan(70);
  },
  120_000,
);

async function readToTheEnd(response: IncomingMessage): Promise<void> {
  for await (const _ of response);
}

const allowConnections = (allowed: boolean) =>
  system.database.pool.query('update pg_database set datallowconn = $1 where datname = current_database()', [allowed]);

it('an export breaks when the database goes away, and can be had again', async () => {
  const held = await ask('');
  await allowConnections(false);
  await system.database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name like 'eventsieve-query%'`,
  );
  await expect(readToTheEnd(held)).rejects.toThrow(/aborted|reset/i);
  const refused = await ask('');
  expect(refused.statusCode).toBeGreaterThanOrEqual(500);
  await readToTheEnd(refused);
  await allowConnections(true);
  await waitUntil('the database is back', async () => (await measure(`?cursor=${events - 1_500}`)).lines === 1_500);
});

it('an export ends with the service, which does not wait for it', async () => {
  const held = await ask('');
  const ending = await system.query?.stop();
  expect(ending).toMatchObject({ code: 0 });
  expect(ending?.ms).toBeLessThan(6_000);
  await expect(readToTheEnd(held)).rejects.toThrow(/aborted|reset/i);
});
