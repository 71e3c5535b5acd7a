import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventsieveError } from '@eventsieve/contract/errors';
import { type IngestServiceClient, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { gatewayMetrics } from '@eventsieve/contract/metric-names';
import { type Nats, startNats } from '@eventsieve/embedded/nats-server';
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { beforeEach, expect, inject, test } from 'vitest';
import { auditedTotals, drained, expectAllStored } from './support/exactness.js';
import { scrape } from './support/exposition.js';
import { viewHealth } from './support/grpc-health.js';
import { eventOf, type Planned, publish } from './support/publishers.js';
import { type System, type SystemOptions, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const cleanups: (() => unknown)[] = [];
let nats: Nats;
let system: System;
let client: IngestServiceClient;

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-pressure-'));
  nats = await startNats({ storeDir: join(folder, 'nats'), binary: inject('natsBinary') });
  return async () => {
    if (nats.pid !== undefined) process.kill(nats.pid, 'SIGCONT');
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  };
});

async function start(options: SystemOptions = {}): Promise<void> {
  system = await startSystem({ natsUrl: nats.url, ...options });
  cleanups.push(() => system.stop());
  client = system.ingest();
  cleanups.push(() => client.close());
}

const hang = () => process.kill(nats.pid as number, 'SIGSTOP');
const goOn = () => process.kill(nats.pid as number, 'SIGCONT');

const batch = (run: string, count: number, payload = '{}'): Planned[] =>
  Array.from({ length: count }, (_, i) => ({ topic: 'pressure', eventId: `${run}-${i}`, payload }));

type Answer = { readonly error: EventsieveError | undefined; readonly tookMs: number };

async function send(copies: readonly Planned[], waitFor = WaitFor.WAIT_FOR_BROKER): Promise<Answer> {
  const begunAtMs = performance.now();
  const error = await publish(
    client,
    copies.map((each) => eventOf(each)),
    waitFor,
  ).then(
    () => undefined,
    (thrown: ServiceError) => fromGrpcError(thrown),
  );
  return { error, tookMs: performance.now() - begunAtMs };
}

function post({ topic, eventId, payload }: Planned, wait = 'broker'): Promise<Response> {
  const timestamp = new Date().toISOString();
  const body = `{"topic":"${topic}","event_id":"${eventId}","timestamp":"${timestamp}","source":"test","payload":${payload}}`;
  const headers = { 'content-type': 'application/json' };
  return fetch(`${system.http}/publish?wait=${wait}`, { method: 'POST', headers, body });
}

const read = async (path: string) => {
  const response = await fetch(system.http + path);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const refusals = async (reason: string) =>
  (await scrape(system.gateway)).value(gatewayMetrics.refused.name, { reason }) ?? 0;

test('a full stream refuses with a hint, drains by itself once a worker comes, and publishing goes on', async () => {
  await start({ workers: 0, environment: { STREAM_MAX_BYTES: '1MB' } });
  const payload = JSON.stringify({ text: 'x'.repeat(4_000) });
  const answered: Planned[] = [];
  let refused: EventsieveError | undefined;
  for (let i = 0; refused === undefined; i++) {
    const copies = batch(`fill-${i}`, 20, payload);
    refused = (await send(copies)).error;
    if (refused === undefined) answered.push(...copies);
  }
  expect(refused).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'STREAM_FULL', retryAfterMs: 1_000 });
  expect(answered.length).toBeGreaterThan(50);
  // Some of the refused copies may have had room: only large ones surely have none.
  const large = batch('large', 1, JSON.stringify({ text: 'x'.repeat(100_000) }));
  const overHttp = await post(large[0] as Planned);
  expect(overHttp.status).toBe(429);
  expect(Number(overHttp.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);

  system.workers.push(await system.startWorker());
  await waitUntil('publishing goes on', async () => (await send(large)).error === undefined);
  await waitUntil('over HTTP too', async () => (await post(batch('http', 1)[0] as Planned, 'stored')).status === 201);
  await drained(system, 1);
  await expectAllStored(system.database, [...answered, ...large, ...batch('http', 1)]);
  await auditedTotals(system.database);
});

test('with NATS killed publishers are refused at once, reads go on, health names it, and it heals by itself', async () => {
  await start();
  const doors = { gateway: viewHealth(system.gatewayAddress), query: viewHealth(system.queryAddress) };
  cleanups.push(() => [doors.gateway.close(), doors.query.close()]);
  const before = batch('before', 10);
  expect((await send(before, WaitFor.WAIT_FOR_STORED)).error).toBeUndefined();
  await waitUntil('health is well', async () => (await read('/health')).status === 200);
  const watched = doors.gateway.watch('nats');
  expect(await doors.query.check('nats')).toBe('SERVING');

  await nats.kill();
  await waitUntil('the loss is noticed', async () => (await doors.gateway.check('nats')) === 'NOT_SERVING');
  for (const waitFor of [WaitFor.WAIT_FOR_BROKER, WaitFor.WAIT_FOR_STORED]) {
    const { error, tookMs } = await send(batch('away', 5), waitFor);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'BROKER_AWAY', retryAfterMs: 1_000 });
    expect(error?.message).toMatch(/^NATS /);
    expect(tookMs).toBeLessThan(4_000);
  }
  const overHttp = await post(batch('away', 1)[0] as Planned, 'stored');
  expect(overHttp.status).toBe(503);
  expect(Number(overHttp.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(await overHttp.text()).toMatch(/NATS/);

  expect((await read('/events?topic=pressure')).body).toMatchObject({ count: 10 });
  expect((await read('/events/pressure/before-0')).body).toMatchObject({ status: 'stored' });
  expect((await read('/stats')).body).toMatchObject({ unique_processed: 10 });
  const named = await waitUntil('health names it, and nothing else', async () => {
    const { status, body } = await read('/health');
    const parts = body.parts as Record<string, boolean>;
    return !parts.nats && parts.postgres && parts.gateway ? { status } : undefined;
  });
  expect(named.status).toBe(503);
  expect(await doors.gateway.check('eventsieve.v1.IngestService')).toBe('NOT_SERVING');
  await waitUntil('the query service names it', async () => (await doors.query.check('nats')) === 'NOT_SERVING');
  for (const name of ['', 'eventsieve.v1.QueryService', 'postgres']) {
    expect(await doors.query.check(name)).toBe('SERVING');
  }

  await nats.restart();
  const after = batch('after', 5);
  await waitUntil('publishing goes on', async () => (await send(after, WaitFor.WAIT_FOR_STORED)).error === undefined);
  await waitUntil('health is well again', async () => (await read('/health')).status === 200);
  await waitUntil('who watches hears of it', () => watched.length === 3);
  expect(watched).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
  expect(system.processes().every(({ child }) => child.exitCode === null)).toBe(true);
  await drained(system, 1);
  await expectAllStored(system.database, [...before, ...after]);
  expect((await read('/stats/reconcile')).body).toMatchObject({ ok: true });
});

test('while the broker hangs every call is answered in time, no more than the limit is ever sent, and it heals exactly', async () => {
  await start({ environment: { PUBLISH_TIMEOUT: '2s', MAX_MESSAGES_IN_FLIGHT: '500', ACK_WAIT: '2s' } });
  const before = batch('before', 100);
  expect((await send(before)).error).toBeUndefined();

  hang();
  const answers: Answer[] = [];
  let away = false;
  let sent = 0;
  const load = async (waitFor: WaitFor) => {
    while (!away) {
      const answer = await send(batch(`hang-${sent++}`, 100), waitFor);
      answers.push(answer);
      away ||= answer.error?.reason === 'BROKER_AWAY';
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const { WAIT_FOR_BROKER, WAIT_FOR_STORED } = WaitFor;
  await Promise.all([WAIT_FOR_BROKER, WAIT_FOR_STORED, WAIT_FOR_BROKER, WAIT_FOR_STORED].map(load));

  const reasons = new Set(answers.map(({ error }) => error?.reason));
  expect(reasons).toEqual(new Set(['FATE_UNKNOWN', 'TOO_MANY_IN_FLIGHT', 'BROKER_AWAY']));
  expect(answers.every(({ error }) => error?.retryAfterMs !== undefined)).toBe(true);
  const slowestMs = (reason: string) =>
    Math.max(...answers.filter(({ error }) => error?.reason === reason).map(({ tookMs }) => tookMs));
  // The loss of the connection is noticed after six seconds at the earliest: that is not what has ended them.
  expect(slowestMs('FATE_UNKNOWN')).toBeLessThan(5_500);
  expect(slowestMs('TOO_MANY_IN_FLIGHT')).toBeLessThan(1_900);
  // What was given up is in the socket still, and no room for more until the socket has taken it.
  expect(answers.filter(({ error }) => error?.reason === 'FATE_UNKNOWN').length * 100).toBeLessThanOrEqual(500);

  goOn();
  const after = batch('after', 100);
  await waitUntil('publishing goes on', async () => (await send(after)).error === undefined);
  await drained(system, 1);
  await expectAllStored(system.database, [...before, ...after]);
  const { unique } = await auditedTotals(system.database);
  expect(unique).toBeGreaterThanOrEqual(200);
  expect(unique).toBeLessThanOrEqual(700);
  await waitUntil('the audit is clean', async () => (await read('/stats/reconcile')).body.ok === true);
});

test('with a broker that hangs, the deadline and a cancellation end a call, and what is sent stays counted', async () => {
  await start({ workers: 0, query: false, environment: { PUBLISH_TIMEOUT: '20s' } });
  expect((await send(batch('before', 1))).error).toBeUndefined();
  const request = (run: string) => ({
    events: batch(run, 3).map((each) => eventOf(each)),
    waitFor: WaitFor.WAIT_FOR_BROKER,
    allowPartial: false,
  });
  hang();
  const begunAtMs = performance.now();
  const error = await new Promise<ServiceError | null>((resolve) => {
    client.publish(request('deadline'), new Metadata(), { deadline: Date.now() + 300 }, (failed) => resolve(failed));
  });
  expect(performance.now() - begunAtMs).toBeLessThan(3_000);
  expect(error?.message).toMatch(/^4 DEADLINE_EXCEEDED/);
  // The gateway itself is done with it, too.
  await waitUntil('the deadline has ended it', async () => (await refusals('FATE_UNKNOWN')) === 1, {
    timeoutMs: 3_000,
  });

  const call = client.publish(request('cancelled'), () => undefined);
  const unacked = async () => (await scrape(system.gateway)).value(gatewayMetrics.unackedMessages.name);
  await waitUntil('it is under way', async () => (await unacked()) === 6);
  call.cancel();
  await waitUntil('the cancellation has ended it', async () => (await refusals('CALLER_GONE')) === 1, {
    timeoutMs: 3_000,
  });
  expect(await unacked()).toBe(6);
  goOn();
  await waitUntil('late acks are taken', async () => (await unacked()) === 0);
  expect((await send(batch('after', 1))).error).toBeUndefined();
});

test('with the gateway gone the bridge says that it is the gateway, and when to come again', async () => {
  await start({ workers: 0 });
  expect((await post(batch('before', 1)[0] as Planned)).status).toBe(202);
  await system.gateway.kill();
  const answer = await post(batch('after', 1)[0] as Planned);
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(await answer.text()).toMatch(/the gateway cannot be reached/);
  await waitUntil('health names it, and nothing else', async () => {
    const parts = (await read('/health')).body.parts as Record<string, boolean>;
    return !parts.gateway && parts.nats && parts.postgres;
  });
});
