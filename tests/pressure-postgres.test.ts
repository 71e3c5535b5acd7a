import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { gatewayMetrics } from '@eventsieve/contract/metric-names';
import { type Postgres, startPostgres } from '@eventsieve/embedded/postgres';
import type { ServiceError } from '@grpc/grpc-js';
import { beforeEach, expect, test } from 'vitest';
import { auditedTotals, drained, expectAllStored } from './support/exactness.js';
import { scrape } from './support/exposition.js';
import { viewHealth } from './support/grpc-health.js';
import { eventOf, type Planned, planCopies, publish, sendAll } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { startProxy } from './support/tcp-proxy.js';
import { waitUntil } from './support/wait-until.js';

const cleanups: (() => unknown)[] = [];
let postgres: Postgres;
let system: System;

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-pressure-'));
  postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
  return async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  };
});

async function start(environment: Readonly<Record<string, string>>, postgresUrl = postgres.url): Promise<void> {
  system = await startSystem({ postgresUrl, environment });
  cleanups.push(() => system.stop());
}

const read = async (path: string) => {
  const response = await fetch(system.http + path);
  return { response, body: (await response.json()) as Record<string, unknown> };
};
const isClean = async () => (await read('/stats/reconcile')).body.ok === true;
const batch = (run: string, count: number): Planned[] =>
  Array.from({ length: count }, (_, i) => ({ topic: 'pressure', eventId: `${run}-${i}`, payload: '{}' }));

/** What the worker says of what it leans on, once its /health answers with this status. */
const workerSays = (status: number) =>
  waitUntil(`the worker's health is ${status}`, async () => {
    const response = await fetch(`http://${system.workers[0]?.addresses.metrics}/health`);
    const { parts } = (await response.json()) as { parts: Record<string, boolean> };
    return response.status === status ? parts : undefined;
  });
const withoutPostgres = { postgres: false, schema: true, nats: true, consumer: true };

test('with Postgres killed for a while publishing goes on, reads say when to come again, and nothing answered is lost', async () => {
  await start({ STORED_TIMEOUT: '1s' });
  const doors = { gateway: viewHealth(system.gatewayAddress), query: viewHealth(system.queryAddress) };
  cleanups.push(() => [doors.gateway.close(), doors.query.close()]);
  await waitUntil('health is well', async () => (await read('/health')).response.status === 200);
  expect(await doors.query.check('postgres')).toBe('SERVING');

  let done = false;
  const load = (run: string, waitFor: WaitFor) =>
    sendAll(planCopies(1_000_000, 0.2, run), {
      connections: 2,
      batchSize: 20,
      waitFor,
      makeClient: system.ingest,
      retry: true,
      until: () => done,
    });
  const loads = [load('broker', WaitFor.WAIT_FOR_BROKER), load('stored', WaitFor.WAIT_FOR_STORED)] as const;
  const accepted = async (wait: string) =>
    (await scrape(system.gateway)).value(gatewayMetrics.answered.name, { wait, outcome: 'accepted' }) ?? 0;
  const stored = () => system.database.value<number>('select count(*)::int from event_keys');
  await waitUntil('events are stored', async () => (await stored()) > 500);

  await postgres.kill();
  const killedAtMs = Date.now();
  const before = { broker: await accepted('broker'), stored: await accepted('stored') };
  await waitUntil('health names it', async () => (await doors.query.check('postgres')) === 'NOT_SERVING');
  expect(await doors.query.check('nats')).toBe('SERVING');
  expect(await doors.query.check('eventsieve.v1.QueryService')).toBe('NOT_SERVING');
  expect(await doors.gateway.check('')).toBe('SERVING');
  const named = await waitUntil('health names it, and nothing else', async () => {
    const { response, body } = await read('/health');
    const parts = body.parts as Record<string, boolean>;
    return !parts.postgres && parts.nats && parts.gateway ? response : undefined;
  });
  expect(named.status).toBe(503);
  expect(await workerSays(503)).toEqual(withoutPostgres);
  for (const path of ['/events', '/events/auth/broker-0', '/stats']) {
    const answer = await read(path);
    expect(answer.response.status).toBe(503);
    expect(Number(answer.response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(answer.body.error).toMatchObject({ code: 'unavailable' });
  }
  const [event] = batch('http', 1).map(({ topic, eventId, payload }) => ({
    topic,
    event_id: eventId,
    timestamp: new Date().toISOString(),
    source: 'test',
    payload: JSON.parse(payload) as unknown,
  }));
  const headers = { 'content-type': 'application/json' };
  const posted = await fetch(`${system.http}/publish`, { method: 'POST', headers, body: JSON.stringify(event) });
  expect(posted.status).toBe(202);
  await waitUntil('BROKER goes on', async () => (await accepted('broker')) > before.broker + 500);
  await waitUntil('STORED is answered', async () => (await accepted('stored')) > before.stored + 50);
  await waitUntil('it was away for a while', () => Date.now() - killedAtMs > 6_000);

  await postgres.restart();
  const storedBefore = await stored();
  await waitUntil('events are stored again', async () => (await stored()) > storedBefore + 500);
  done = true;
  const results = await Promise.all(loads);
  const answered = [...results.flatMap((each) => each.answered), ...batch('http', 1)];
  const attempts = results.reduce((sum, each) => sum + each.attempts, 1);
  await drained(system, 1);
  await expectAllStored(system.database, answered);
  const { unique, duplicates } = await auditedTotals(system.database);
  expect(unique + duplicates).toBeGreaterThanOrEqual(answered.length);
  expect(unique + duplicates).toBeLessThanOrEqual(attempts);
  await waitUntil('the audit is clean', isClean);
  await waitUntil('health is well again', async () => (await doors.query.check('postgres')) === 'SERVING');
  await workerSays(200);
}, 240_000);

test('with Postgres away STORED calls beyond the limit are refused, and BROKER calls are still taken', async () => {
  // Long enough for all that is done while they wait.
  await start({ STORED_TIMEOUT: '12s', MAX_WAITING_COPIES: '200' });
  await postgres.kill();
  const client = system.ingest();
  cleanups.push(() => client.close());
  const send = (run: string, waitFor: WaitFor) =>
    publish(
      client,
      batch(run, 20).map((each) => eventOf(each)),
      waitFor,
    ).catch((error: ServiceError) => fromGrpcError(error));
  const many = Array.from({ length: 30 }, (_, i) => send(`stored-${i}`, WaitFor.WAIT_FOR_STORED));
  const waiting = async () => (await scrape(system.gateway)).value(gatewayMetrics.waiting.name);
  await waitUntil('as many wait as may', async () => (await waiting()) === 200);
  const brokers = await Promise.all(Array.from({ length: 30 }, (_, i) => send(`broker-${i}`, WaitFor.WAIT_FOR_BROKER)));
  for (const answer of brokers) expect(answer).toMatchObject({ accepted: 20, received: 20 });
  expect(await waiting()).toBe(200);

  const answers = await Promise.all(many);
  const taken = answers.filter((answer) => 'results' in answer);
  expect(taken).toHaveLength(10);
  for (const { results } of taken) {
    expect(results.every(({ outcome }) => outcome === Outcome.OUTCOME_ACCEPTED)).toBe(true);
  }
  for (const refused of answers.filter((answer) => !('results' in answer))) {
    expect(refused).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'TOO_MANY_WAITING', retryAfterMs: 1_000 });
  }
  // There is room again for as many: what was answered has left.
  const again = Array.from({ length: 10 }, (_, i) => send(`again-${i}`, WaitFor.WAIT_FOR_STORED));
  await waitUntil('as many wait as may', async () => (await waiting()) === 200);

  await postgres.restart();
  for (const answer of await Promise.all(again)) expect(answer).toMatchObject({ received: 20 });
  await drained(system, 1_000);
  const run = (name: string, index: number) => batch(`${name}-${index}`, 20);
  const takenRuns = answers.flatMap((answer, index) => ('results' in answer ? run('stored', index) : []));
  await expectAllStored(system.database, [
    ...takenRuns,
    ...brokers.flatMap((_, index) => run('broker', index)),
    ...again.flatMap((_, index) => run('again', index)),
  ]);
  expect((await auditedTotals(system.database)).unique).toBe(1_000);
  await waitUntil('the audit is clean', isClean);
});

test('a Postgres that hangs is named within seconds, long before a statement gives up', async () => {
  const proxy = await startProxy(postgres.port);
  cleanups.push(() => proxy.stop());
  const behind = new URL(postgres.url);
  behind.port = String(proxy.port);
  await start({ STATEMENT_TIMEOUT: '60s' }, behind.href);
  const door = viewHealth(system.queryAddress);
  cleanups.push(() => [door.close(), proxy.holdServer(false)]);
  await waitUntil('Postgres answers', async () => (await door.check('postgres')) === 'SERVING');
  proxy.holdServer(true);
  await waitUntil('health names it', async () => (await door.check('postgres')) === 'NOT_SERVING', {
    timeoutMs: 20_000,
  });
  expect(await door.check('nats')).toBe('SERVING');
  // Though it has nothing to store.
  expect(await workerSays(503)).toEqual(withoutPostgres);
  proxy.holdServer(false);
  await waitUntil('Postgres answers again', async () => (await door.check('postgres')) === 'SERVING');
  expect(await workerSays(200)).toEqual({ ...withoutPostgres, postgres: true });
});
