import { Agent, request } from 'node:http';
import { Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthService,
  HealthCheckResponse_ServingStatus as Serving,
} from '@eventsieve/contract/gen/grpc/health/v1/health';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditedTotals, drained, expectAllStored } from './support/exactness.js';
import type { Ending } from './support/processes.js';
import { type Answered, eventOf, type Planned, planCopies, publish } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

// So that what was not given back would come too late, and no stop is as short as it is for want of time.
const environment = { ACK_WAIT: '60s', DRAIN_TIMEOUT: '20s' };
let system: System;
beforeAll(async () => {
  system = await startSystem({ workers: 1, environment });
});
afterAll(() => system.stop());

const inOrder = (ending: Ending) => expect(ending).toMatchObject({ code: 0, signal: null });
const query = () => system.query as NonNullable<System['query']>;
const worker = () => system.workers[0] as System['workers'][number];
async function restart(which: 'gateway' | 'worker' | 'query'): Promise<void> {
  if (which === 'query') {
    system.query = await system.startQuery();
    return;
  }
  const started = await (which === 'gateway' ? system.startGateway() : system.startWorker());
  if (which === 'gateway') system.gateway = started;
  else system.workers[0] = started;
  await waitUntil(
    `the ${which} to be well`,
    async () => (await fetch(`http://${started.addresses.metrics}/health`)).ok,
  );
}

/** Everything that a watcher of this server's health is told, and how that ends. */
function watchHealth(address: string) {
  const client = new Client(address, credentials.createInsecure());
  const told: Serving[] = [];
  const call = client.makeServerStreamRequest(
    HealthService.watch.path,
    (message: HealthCheckRequest) => Buffer.from(HealthCheckRequest.encode(message).finish()),
    (bytes) => HealthCheckResponse.decode(bytes),
    { service: '' },
  );
  call.on('data', ({ status }: HealthCheckResponse) => told.push(status));
  const ended = new Promise<ServiceError>((resolve) => call.on('error', resolve));
  return { told, ended, close: () => client.close() };
}

/** A connection that the client keeps open after the answer. */
function ask(agent: Agent, path: string, body?: unknown) {
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>((resolve, reject) => {
    const asked = request(`${system.http}${path}`, {
      agent,
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json' },
    });
    asked.on('error', reject);
    asked.on('response', (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** As long as this lasts, nothing can be stored or counted. */
async function holdTables(): Promise<() => Promise<void>> {
  const client = await system.database.pool.connect();
  await client.query('begin');
  await client.query('lock table event_keys, topic_counters in access exclusive mode');
  return async () => {
    await client.query('commit');
    client.release();
  };
}

async function blocked(count: number, by: string): Promise<void> {
  await waitUntil(`${count} of ${by} to wait for the table`, () =>
    system.database.value<boolean>(
      `select count(*) >= $1 from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and application_name = $2`,
      [count, by],
    ),
  );
}

test('idle services stop at once, though clients keep connections and watch their health', async () => {
  const watchers = [watchHealth(system.gatewayAddress), watchHealth(system.queryAddress)];
  for (const { told } of watchers) await waitUntil('it to serve', () => told.at(-1) === Serving.SERVING);
  const agent = new Agent({ keepAlive: true });
  expect((await ask(agent, '/stats')).status).toBe(200);

  const endings = await Promise.all([query().stop(), system.gateway.stop(), worker().stop()]);
  for (const ending of endings) {
    inOrder(ending);
    expect(ending.ms).toBeLessThan(8_000);
  }
  for (const { told, ended, close } of watchers) {
    expect(fromGrpcError(await ended)).toMatchObject({ code: 'UNAVAILABLE', reason: 'STOPPING', retryAfterMs: 500 });
    expect(told.at(-1)).toBe(Serving.NOT_SERVING);
    close();
  }
  for (const { output } of system.processes()) expect(output()).toMatch(/has stopped/);
  agent.destroy();
  await Promise.all([restart('gateway'), restart('worker'), restart('query')]);
});

test('what is in flight is finished and answered while new calls are refused', async () => {
  const client = system.ingest();
  const agent = new Agent({ keepAlive: true });
  await publish(client, [eventOf({ topic: 'held', eventId: 'before', payload: '{}' })], WaitFor.WAIT_FOR_STORED);
  const release = await holdTables();
  const held = publish(client, [eventOf({ topic: 'held', eventId: 'held', payload: '{}' })], WaitFor.WAIT_FOR_STORED);
  const counts = ask(agent, '/stats');
  await blocked(1, 'eventsieve-dedup-worker');
  await blocked(1, 'eventsieve-query');

  const endings = [worker().stop(), query().stop(), system.gateway.stop()];
  await waitUntil('the worker to say that it stops', async () => {
    const response = await fetch(`http://${worker().addresses.metrics}/health`);
    return response.status === 503 && ((await response.json()) as { status: string }).status === 'stopping';
  });
  await waitUntil('the gateway to stop', () => system.gateway.output().includes('is stopping'));
  await waitUntil('the query service to stop', () => query().output().includes('is stopping'));
  const refused = await publish(client, [eventOf({ topic: 'held', eventId: 'late', payload: '{}' })]).catch(
    (error: ServiceError) => fromGrpcError(error),
  );
  expect(refused).toMatchObject({ code: 'UNAVAILABLE' });
  await expect(ask(agent, '/stats')).rejects.toMatchObject({ code: 'ECONNREFUSED' });

  await release();
  const answer = await counts;
  expect(answer).toMatchObject({ status: 200, headers: { connection: 'close' } });
  expect((await held).results[0]?.outcome).toBe(Outcome.OUTCOME_STORED);
  for (const ending of await Promise.all(endings)) inOrder(ending);
  client.close();
  agent.destroy();
  await Promise.all([restart('gateway'), restart('worker'), restart('query')]);
});

interface Load {
  readonly answered: Answered[];
  readonly errors: unknown[];
  readonly done: Promise<unknown>;
}

/** Publishers who send one batch after the other until their first error. */
function loadOf(planned: readonly Planned[], senders: readonly ((batch: Planned[]) => Promise<Answered[]>)[]): Load {
  const answered: Answered[] = [];
  const errors: unknown[] = [];
  let next = 0;
  const one = async (send: (batch: Planned[]) => Promise<Answered[]>) => {
    while (next < planned.length) {
      const batch = planned.slice(next, next + 20);
      next += batch.length;
      try {
        answered.push(...(await send(batch)));
      } catch (error) {
        errors.push(error);
        return;
      }
    }
  };
  return { answered, errors, done: Promise.all(senders.map(one)) };
}

const grpcSenders = (count: number) =>
  Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const client = system.ingest();
      // The earlier end of this gateway is remembered for a while.
      await new Promise<void>((resolve, reject) =>
        client.waitForReady(Date.now() + 30_000, (error) => (error ? reject(error) : resolve())),
      );
      const waitFor = index % 2 === 0 ? WaitFor.WAIT_FOR_BROKER : WaitFor.WAIT_FOR_STORED;
      return async (batch: Planned[]) => {
        const events = batch.map((each) => eventOf(each));
        const { results } = await publish(client, events, waitFor);
        return batch.map((each, at) => ({ ...each, outcome: results[at]?.outcome as Outcome }));
      };
    }),
  );

/** What was answered is stored, once, and nothing else is: whoever took it has answered. */
async function expectExact({ answered }: Load, run: string): Promise<void> {
  expect(answered.length).toBeGreaterThan(500);
  await drained(system, 1, 30_000);
  await auditedTotals(system.database);
  await expectAllStored(system.database, answered);
  const stored = await system.database.value<number>(
    `select count(*)::int from event_keys where event_id like $1 || '-%'`,
    [run],
  );
  expect(stored).toBe(new Set(answered.map(({ eventId }) => eventId)).size);
}

test('a gateway that is stopped under load has answered for everything that it took', async () => {
  const load = loadOf(planCopies(200_000, 0.3, 'gateway'), await grpcSenders(6));
  await waitUntil('some answers', () => load.answered.length > 1_000);
  const ending = await system.gateway.stop();
  await load.done;
  inOrder(ending);
  expect(ending.ms).toBeLessThan(10_000);
  expect(load.errors).toHaveLength(6);
  for (const error of load.errors) expect(fromGrpcError(error as ServiceError)).toMatchObject({ code: 'UNAVAILABLE' });
  await expectExact(load, 'gateway');
  await restart('gateway');
});

test('a worker that is stopped under load gives back what it has not begun, and the next one takes it at once', async () => {
  const load = loadOf(planCopies(20_000, 0.3, 'worker'), await grpcSenders(6));
  await waitUntil('some answers', () => load.answered.length > 1_000);
  const ending = await worker().stop();
  await restart('worker');
  await load.done;
  inOrder(ending);
  expect(load.errors).toEqual([]);
  expect(load.answered).toHaveLength(20_000);
  await expectExact(load, 'worker');
});

test('a bridge that is stopped under load has answered for everything that it took', async () => {
  const agent = new Agent({ keepAlive: true });
  const sender = (wait: string) => async (batch: Planned[]) => {
    const events = batch.map(({ topic, eventId, payload }) => ({
      topic,
      event_id: eventId,
      source: 'test',
      timestamp: new Date().toISOString(),
      payload: JSON.parse(payload),
    }));
    const { status, headers, body } = await ask(agent, `/publish?wait=${wait}`, events);
    if (status === 503) expect(headers['retry-after']).toMatch(/^\d+$/);
    if (status > 299) throw new Error(body);
    return batch.map((each) => ({ ...each, outcome: Outcome.OUTCOME_UNSPECIFIED }));
  };
  const load = loadOf(planCopies(200_000, 0.3, 'bridge'), ['stored', 'broker', 'stored', 'broker'].map(sender));
  await waitUntil('some answers', () => load.answered.length > 1_000);
  const ending = await query().stop();
  await load.done;
  inOrder(ending);
  expect(ending.ms).toBeLessThan(10_000);
  expect(load.errors).toHaveLength(4);
  await expectExact(load, 'bridge');
  agent.destroy();
  await restart('query');
});
