import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { workersConsumer } from './support/durable.js';
import { auditedTotals, drained, expectAllStored } from './support/exactness.js';
import type { ServiceProcess } from './support/processes.js';
import { planCopies, sendAll } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { startProxy, type TcpProxy } from './support/tcp-proxy.js';
import { waitUntil } from './support/wait-until.js';

let doors: TcpProxy;
let workers: TcpProxy;
let system: System;
let connection: NatsConnection;
let jsm: JetStreamManager;
let pids: (number | undefined)[];

const pidsOf = () => system.processes().map(({ child }) => child.pid);

beforeEach(async () => {
  const port = Number(new URL(inject('natsUrl')).port);
  doors = await startProxy(port);
  workers = await startProxy(port);
  system = await startSystem({
    natsUrl: `nats://127.0.0.1:${doors.port}`,
    workerNatsUrl: `nats://127.0.0.1:${workers.port}`,
    environment: { ACK_WAIT: '1s', PUBLISH_TIMEOUT: '2s' },
  });
  connection = await connect({ servers: inject('natsUrl') });
  jsm = await jetstreamManager(connection);
  pids = pidsOf();
});

const timesLost = ({ output }: ServiceProcess) => output().split('connection to NATS lost').length - 1;

afterEach(async () => {
  await system.stop();
  await Promise.all([doors.stop(), workers.stop(), connection.close()]);
});

const stored = () => system.database.value<number>('select count(*)::int from event_keys');

/** Load until `trouble` is over, with whatever it takes to have everything answered; then everything is held together. */
async function under(run: string, trouble: () => Promise<void>, { lossAllowed = false } = {}): Promise<void> {
  let done = false;
  const load = sendAll(planCopies(1_000_000, 0.2, run), {
    connections: 3,
    batchSize: 25,
    makeClient: system.ingest,
    retry: true,
    until: () => done,
  });
  try {
    await waitUntil('events are stored', async () => (await stored()) > 200);
    await trouble();
    const before = await stored();
    await waitUntil('events are stored again', async () => (await stored()) > before + 200);
  } finally {
    done = true;
  }
  const { answered, attempts } = await load;
  await drained(system, 1, 60_000);
  const { unique, duplicates } = await auditedTotals(system.database);
  expect(unique + duplicates).toBeLessThanOrEqual(attempts);
  if (!lossAllowed) {
    expect(unique + duplicates).toBeGreaterThanOrEqual(answered.length);
    await expectAllStored(system.database, answered);
  }
  expectSameProcesses();
}

function expectSameProcesses(): void {
  for (const each of system.processes()) {
    expect(each.child.exitCode).toBeNull();
    expect(each.output()).not.toContain('unforeseen error');
  }
  expect(pidsOf()).toEqual(pids);
}

test('links cut 30 times under load: publishes in flight and acks are lost, nothing answered is, nothing is counted twice', async () => {
  await under('cut', async () => {
    for (let cut = 0; cut < 30; cut++) {
      const before = await stored();
      await waitUntil('more is stored', async () => (await stored()) > before);
      (cut % 2 === 0 ? doors : workers).cut();
    }
  });
}, 240_000);

test.each(['from-server', 'both'] as const)(
  'half-open links to NATS (%s) are noticed within seconds, and all flows again',
  async (ways) => {
    await under(`half-${ways}`, async () => {
      const frozenAtMs = performance.now();
      const before = system.processes().map(timesLost);
      for (const proxy of [doors, workers]) proxy.freeze(ways);
      await Promise.all(
        system.processes().map(async (each, index) => {
          await waitUntil('it is noticed', () => timesLost(each) > (before[index] as number));
          const noticedMs = performance.now() - frozenAtMs;
          console.info(`half-open to NATS (${ways}): process ${index} noticed after ${noticedMs | 0} ms`);
          // Two pings of three seconds each; by NATS' own settings it would be minutes.
          expect(noticedMs).toBeLessThan(20_000);
        }),
      );
      const noticedAtMs = performance.now();
      const storedBefore = await stored();
      await waitUntil('it flows again', async () => (await stored()) > storedBefore);
      console.info(`half-open to NATS (${ways}): flows ${(performance.now() - noticedAtMs) | 0} ms after all noticed`);
    });
    const response = await fetch(`${system.http}/stats/reconcile`);
    expect(await response.json()).toMatchObject({ ok: true });
  },
  240_000,
);

test('a consumer deleted again and again under load costs nothing', async () => {
  await under('consumer', async () => {
    for (let round = 0; round < 5; round++) {
      const before = await stored();
      const { name } = await workersConsumer(jsm, system.names);
      await waitUntil('it is deleted', () => jsm.consumers.delete(system.names.stream, name));
      const deletedAtMs = performance.now();
      await waitUntil('it flows again', async () => (await stored()) > before + 500);
      console.info(`consumer deleted: flows again after ${(performance.now() - deletedAtMs) | 0} ms`);
    }
  });
  expect(await system.database.value<number>('select count(*)::int from epochs')).toBe(1);
});

test('a stream purged, then deleted, under load: what comes afterwards is stored, without a restart', async () => {
  await under(
    'stream',
    async () => {
      for (const harm of ['purge', 'delete'] as const) {
        await jsm.streams[harm](system.names.stream);
        const harmedAtMs = performance.now();
        const before = await stored();
        await waitUntil('it flows again', async () => (await stored()) > before + 200);
        console.info(`stream harmed (${harm}): flows again after ${(performance.now() - harmedAtMs) | 0} ms`);
      }
    },
    // What somebody deletes by hand before it is stored is gone.
    { lossAllowed: true },
  );
  expect(await system.database.value<number>('select count(*)::int from epochs')).toBeGreaterThan(1);
});
