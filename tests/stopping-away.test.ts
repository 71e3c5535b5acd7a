import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { fileURLToPath } from 'node:url';
import { Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { freePort } from '@eventsieve/embedded/free-port';
import { type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, expect, inject, test } from 'vitest';
import { auditedTotals, drained } from './support/exactness.js';
import { type ServiceProcess, startService } from './support/processes.js';
import { eventOf, publish } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { startProxy, type TcpProxy } from './support/tcp-proxy.js';
import { waitUntil } from './support/wait-until.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const services = ['gateway', 'dedup-worker', 'query'] as const;
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

async function proxyTo(url: string): Promise<{ proxy: TcpProxy; url: string }> {
  const proxied = new URL(url);
  const proxy = await startProxy(Number(proxied.port));
  cleanups.push(() => proxy.stop());
  proxied.port = String(proxy.port);
  proxied.hostname = '127.0.0.1';
  return { proxy, url: proxied.href };
}

async function systemOf(options: Parameters<typeof startSystem>[0]): Promise<System> {
  const system = await startSystem(options);
  cleanups.push(async () => {
    await Promise.all(system.processes().map((each) => each.kill()));
    await system.database.drop();
  });
  return system;
}

const healthOf = async ({ addresses }: ServiceProcess) => await fetch(`http://${addresses.metrics}/health`);

/** Runs a service made up for the occasion; tells it to stop once it prints `go`, and again when it says that it stops. */
async function runMadeUp(start: string, signals: 1 | 2, drainTimeout = '20s') {
  const script = `
    import { runService } from '@eventsieve/runtime/lifecycle';
    const say = (line) => process.stdout.write(line + '\\n');
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const never = new Promise(() => undefined);
    const alive = setInterval(() => undefined, 1_000);
    const hang = () => (clearInterval(alive), never);
    await runService('made-up', async () => { ${start} });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: `${root}services/gateway`,
    env: { PATH: process.env.PATH, DRAIN_TIMEOUT: drainTimeout },
  });
  let output = '';
  const toldAtMs: number[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      // Two at once would be one for it.
      const due = /is stopping/.test(output) ? 2 : /^go$/m.test(output) ? 1 : 0;
      if (toldAtMs.length >= Math.min(due, signals)) return;
      toldAtMs.push(performance.now());
      child.kill('SIGTERM');
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output, ms: performance.now() - (toldAtMs[0] ?? 0) };
}

test('what is told to stop while it starts is stopped in order once it has started', async () => {
  const { code, output } = await runMadeUp(
    `say('go'); await sleep(2_000); return { addresses: {}, stop: async () => say('closed') };`,
    1,
  );
  expect(output).toMatch(/^closed$/m);
  expect(output).not.toMatch(/is ready/);
  expect(code).toBe(0);
});

test('a start that never ends, and a stop that waits for nothing, end hard with a line in the log', async () => {
  const endings = await Promise.all([
    runMadeUp(`say('go'); await never;`, 1, '500ms'),
    runMadeUp(`setTimeout(() => say('go')); return { addresses: {}, stop: hang };`, 1, '500ms'),
  ]);
  for (const { code, output, ms } of endings) {
    expect(output).toMatch(/did not stop within 500 ms/);
    expect(code).toBe(1);
    expect(ms).toBeGreaterThan(400);
    expect(ms).toBeLessThan(10_000);
  }
});

test('a start that fails after the signal, and a stop that fails, are errors of their own', async () => {
  const [starting, stopping] = await Promise.all([
    runMadeUp(`say('go'); await sleep(2_000); throw new Error('no such port');`, 1),
    runMadeUp(`setTimeout(() => say('go')); return { addresses: {}, stop: async () => { throw new Error('x'); } };`, 1),
  ]);
  for (const { code, output } of [starting, stopping]) {
    expect(code).toBe(1);
    expect(output).toMatch(/could not stop in order/);
  }
});

test('a second signal ends a process at once', async () => {
  const { code, output, ms } = await runMadeUp(`setTimeout(() => say('go')); return { addresses: {}, stop: hang };`, 2);
  expect(output).toMatch(/told twice/);
  expect(code).toBe(1);
  expect(ms).toBeLessThan(10_000);
});

test('services that have found neither Postgres nor NATS yet stop at once, and so do those that still load', async () => {
  const [postgresPort, natsPort] = await Promise.all([freePort(), freePort()]);
  const environment = {
    DATABASE_URL: `postgres://nobody@127.0.0.1:${postgresPort}/nothing`,
    NATS_URL: `nats://127.0.0.1:${natsPort}`,
    ...Object.fromEntries(
      ['GATEWAY_GRPC_PORT', 'QUERY_GRPC_PORT', 'HTTP_PORT', 'GATEWAY_METRICS_PORT', 'WORKER_METRICS_PORT'].map(
        (name) => [name, '0'],
      ),
    ),
  };
  const started = await Promise.all(services.map((service) => startService(service, environment)));
  for (const { output } of started) await waitUntil('it to look for NATS', () => /NATS cannot be/.test(output()));
  for (const ending of await Promise.all(started.map((each) => each.stop()))) {
    expect(ending).toMatchObject({ code: 0, signal: null });
    expect(ending.ms).toBeLessThan(6_000);
  }

  // Somewhere between the first line of code and being ready: either nobody listens for signals yet, or all is in order.
  for (const delayMs of [50, 250, 350, 450, 550]) {
    const child = spawn(process.execPath, [`${root}services/query/dist/main.js`], {
      env: { PATH: process.env.PATH, ...environment },
      stdio: 'ignore',
    });
    setTimeout(() => child.kill('SIGTERM'), delayMs);
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    expect(signal ?? code).toBe(signal === null ? 0 : 'SIGTERM');
  }
});

test('a worker lets go of what it cannot store while Postgres is away, and the next one stores it', async () => {
  const prefix = `s${randomBytes(4).toString('hex')}`;
  const environment = { NATS_PREFIX: prefix, ACK_WAIT: '2s' };
  const system = await systemOf({ workers: 0, query: false, environment });
  const database = await proxyTo(system.database.url);
  const lonely = await startService('dedup-worker', {
    ...environment,
    DATABASE_URL: database.url,
    NATS_URL: inject('natsUrl'),
    WORKER_METRICS_PORT: '0',
    DRAIN_TIMEOUT: '20s',
  });
  cleanups.push(() => lonely.kill());
  await waitUntil('the worker to be well', async () => (await healthOf(lonely)).ok);
  await database.proxy.stop();
  const client = system.ingest();
  await publish(client, [eventOf({ topic: 't', eventId: 'waits', payload: '{}' })]);
  client.close();
  await waitUntil('the batch to wait', () => lonely.output().includes('storing has to wait'));
  const ending = await lonely.stop();
  expect(ending).toMatchObject({ code: 0, signal: null });
  expect(ending.ms).toBeLessThan(10_000);
  system.workers.push(await system.startWorker());
  await drained(system, 1);
  expect(await auditedTotals(system.database)).toMatchObject({ unique: 1, duplicates: 0 });
});

test('services stop in order although Postgres and NATS hold the line and say nothing', async () => {
  const [database, broker] = await Promise.all([proxyTo(inject('postgresUrl')), proxyTo(inject('natsUrl'))]);
  const environment = { DRAIN_TIMEOUT: '20s' };
  const system = await systemOf({ postgresUrl: database.url, natsUrl: broker.url, environment });
  cleanups.push(async () => database.proxy.holdServer(false));
  database.proxy.holdServer(true);
  broker.proxy.holdServer(true);
  const all = system.processes();
  await waitUntil('a probe of the query service to hang', async () => {
    const { status } = await fetch(`${system.http}/health`);
    return status === 503;
  });
  for (const ending of await Promise.all(all.map((each) => each.stop()))) {
    expect(ending).toMatchObject({ code: 0, signal: null });
    expect(ending.ms).toBeLessThan(12_000);
  }
});

test('what cannot end within DRAIN_TIMEOUT is ended hard, and stored by the next worker', async () => {
  const system = await systemOf({ environment: { DRAIN_TIMEOUT: '500ms', ACK_WAIT: '2s', STORED_TIMEOUT: '20s' } });
  const lock = await system.database.pool.connect();
  await lock.query('begin');
  await lock.query('lock table event_keys, topic_counters in access exclusive mode');
  const client = system.ingest();
  await publish(client, [eventOf({ topic: 't', eventId: 'held', payload: '{}' })], WaitFor.WAIT_FOR_BROKER);
  void fetch(`${system.http}/stats`).catch(() => undefined);
  await waitUntil('both to wait for the table', () =>
    system.database.value<boolean>(
      `select count(distinct application_name) = 2 from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    ),
  );
  const session = connectHttp2(`http://${system.gatewayAddress}`);
  session.on('error', () => undefined);
  const open = session.request({
    ':method': 'POST',
    ':path': '/eventsieve.v1.IngestService/Publish',
    'content-type': 'application/grpc',
  });
  open.on('error', () => undefined);
  // Answered after the call has arrived.
  await once(open, 'ready');
  await new Promise<void>((resolve) => session.ping(() => resolve()));

  for (const each of system.processes()) {
    const { code, ms } = await each.stop();
    expect(code).toBe(1);
    expect(ms).toBeLessThan(5_000);
    expect(each.output()).toMatch(/did not stop within 500 ms|cut off/);
  }
  session.destroy();
  client.close();
  await lock.query('commit');
  lock.release();
  system.workers[0] = await system.startWorker();
  await drained(system, 1);
  expect(await auditedTotals(system.database)).toMatchObject({ unique: 1, duplicates: 0 });
});

test('a gateway that stops answers those who wait on: accepted what the broker has, unknown what it hangs over', async () => {
  const broker = await proxyTo(inject('natsUrl'));
  const environment = { DRAIN_TIMEOUT: '6s', STORED_TIMEOUT: '20s', PUBLISH_TIMEOUT: '20s' };
  const system = await systemOf({ workers: 0, query: false, natsUrl: broker.url, environment });
  const client = system.ingest();
  const one = (eventId: string, waitFor: WaitFor) =>
    publish(client, [eventOf({ topic: 't', eventId, payload: '{}' })], waitFor).catch((error: ServiceError) => error);
  const waiting = one('stored', WaitFor.WAIT_FOR_STORED);
  const metrics = async () => await (await fetch(`http://${system.gateway.addresses.metrics}/metrics`)).text();
  await waitUntil('it to wait for its verdict', async () =>
    /^eventsieve_gateway_waiting_copies 1$/m.test(await metrics()),
  );
  await waitUntil('the broker to have it', async () =>
    /^eventsieve_gateway_unacknowledged_messages 0$/m.test(await metrics()),
  );
  broker.proxy.holdServer(true);
  const hanging = one('hanging', WaitFor.WAIT_FOR_BROKER);
  await waitUntil('it to be sent', async () => /^eventsieve_gateway_unacknowledged_messages 1$/m.test(await metrics()));

  const stopped = system.gateway.stop();
  await waitUntil('it to say so', async () => (await healthOf(system.gateway)).status === 503);
  expect(await waiting).toMatchObject({ results: [{ outcome: Outcome.OUTCOME_ACCEPTED }] });
  expect(await hanging).toMatchObject({ code: status.UNAVAILABLE, details: expect.stringMatching(/not known/) });
  const { code, ms } = await stopped;
  expect(code).toBe(0);
  expect(ms).toBeLessThan(6_000);
  client.close();
});
