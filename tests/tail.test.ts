import { QueryServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import { beforeEach, expect, test } from 'vitest';
import { decodeCursor } from '../services/query/src/cursor.js';
import { drained } from './support/exactness.js';
import { followGrpc, followHttp, fromStart, type Heard } from './support/followers.js';
import { planCopies, sendAll } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
let client: QueryServiceClient;
beforeEach(async () => {
  system = await startSystem({ workers: 2, environment: { ACK_WAIT: '1s', BATCH_SIZE: '100' } });
  client = new QueryServiceClient(system.queryAddress, credentials.createInsecure());
  return async () => {
    for (const { child } of system.workers) child.kill('SIGCONT');
    client.close();
    await system.stop();
  };
});

async function stored(condition = 'true'): Promise<number[]> {
  const { rows } = await system.database.pool.query<{ position: number }>(
    `select position::int from events where ${condition} order by position`,
  );
  return rows.map(({ position }) => position);
}

/** Runs `trouble` while events come in, and waits until all of them are stored. */
async function under<T>(run: string, trouble: () => Promise<T>): Promise<T> {
  let done = false;
  const load = sendAll(planCopies(1_000_000, 0.2, run), {
    connections: 2,
    batchSize: 10,
    makeClient: system.ingest,
    retry: true,
    until: () => done,
  });
  try {
    await waitUntil('events are stored', async () => (await stored()).length > 100);
    return await trouble();
  } finally {
    done = true;
    await load;
    await drained(system, 1);
  }
}

const caughtUp = async (heard: Heard, condition?: string) => {
  const wanted = await stored(condition);
  await waitUntil('it was given everything', () => heard.positions.at(-1) === wanted.at(-1), { timeoutMs: 60_000 });
  expect(heard.positions).toEqual(wanted);
};

test('while load runs and one of two workers is stopped holding a batch, each is given the table, in order', async () => {
  const whole = [await followHttp(system.http, { from: 'start' }), await followGrpc(client, fromStart)];
  const orders = await followHttp(system.http, { from: 'start', topic: 'orders.>' });
  const position = () => system.database.value<number>('select position::int from watermark');
  const late = await under('late', async () => {
    const [worker] = system.workers;
    worker?.child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = await position();
    // What the other one stores meanwhile is above what the stopped one holds: in the table, and not given to anybody.
    const highest = await waitUntil('the other one goes on', async () => {
      const now = (await stored()).at(-1) ?? 0;
      return now > before + 200 ? now : undefined;
    });
    expect(whole[0]?.positions.at(-1)).toBeLessThan(highest);
    await waitUntil('what it held is stored by the other one', async () => (await position()) > highest, {
      timeoutMs: 60_000,
    });
    worker?.child.kill('SIGCONT');
    return followHttp(system.http, { from: 'start' });
  });
  for (const each of [...whole, late]) await caughtUp(each);
  await caughtUp(orders, `topic like 'orders.%'`);
}, 180_000);

test('reconnects with Last-Event-ID at random places give the table exactly', async () => {
  const given: number[] = [];
  let cursor = '';
  let connections = 0;
  const go = async (stayMs: number) => {
    const heard = await followHttp(system.http, { from: 'start' }, cursor === '' ? {} : { 'last-event-id': cursor });
    await new Promise((resolve) => setTimeout(resolve, stayMs));
    await heard.stop();
    given.push(...heard.positions);
    cursor = heard.cursor;
    connections++;
  };
  await under('reconnects', async () => {
    for (let i = 0; i < 15; i++) await go(Math.random() * 300);
  });
  const last = (await stored()).at(-1) ?? 0;
  while (decodeCursor(cursor) < BigInt(last)) await go(100);
  expect(connections).toBeGreaterThanOrEqual(15);
  expect(given).toEqual(await stored());
}, 120_000);

test('the connections to Postgres are ended while somebody follows: they go on without a gap', async () => {
  const followers = [await followHttp(system.http), await followGrpc(client)];
  await under('away', async () => {
    for (let i = 0; i < 3; i++) {
      await system.database.pool
        .query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid() and application_name like 'eventsieve-query%'`,
        )
        .catch(() => undefined);
      const before = followers.map(({ positions }) => positions.length);
      await waitUntil('they go on', () =>
        followers.every(({ positions }, i) => positions.length > (before[i] ?? 0) + 50),
      );
    }
  });
  for (const each of followers) await caughtUp(each);
}, 120_000);

test('a service that stops ends those who follow in time, and they go on at the next one', async () => {
  const [sse, grpc] = [await followHttp(system.http, { from: 'start' }), await followGrpc(client, fromStart)];
  await under('stop', async () => {
    await waitUntil('they are given something', () => sse.positions.length > 0 && grpc.positions.length > 0);
    const begunAtMs = performance.now();
    const query = system.query as NonNullable<System['query']>;
    await query.kill('SIGTERM');
    expect(query.child.exitCode).toBe(0);
    expect(performance.now() - begunAtMs).toBeLessThan(6_000);
    await waitUntil('they have ended', () => sse.ended && grpc.ended);
    expect(sse.ended).toBe('end');
    expect(fromGrpcError(grpc.ended as ServiceError)).toMatchObject({ code: 'UNAVAILABLE', reason: 'STOPPING' });
    system.query = await system.startQuery();
  });
  const on = [
    await followHttp(system.http, {}, { 'last-event-id': sse.cursor }),
    await followGrpc(client, { cursor: grpc.cursor }),
  ];
  const wanted = await stored();
  for (const [index, before] of [sse, grpc].entries()) {
    const after = on[index] as Heard;
    await waitUntil('it was given the rest', () => after.positions.at(-1) === wanted.at(-1));
    expect([...before.positions, ...after.positions]).toEqual(wanted);
  }
}, 120_000);
