import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Nats, startNats } from '@eventsieve/embedded/nats-server';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, inject, test } from 'vitest';
import { workersConsumer } from './support/durable.js';
import { auditedTotals, drained } from './support/exactness.js';
import { planCopies, sendAll } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const ackWaitMs = 1_000;
// As in services/dedup-worker/src/consume.ts.
const pullExpiresMs = 10_000;
// What a stopped worker has asked for may hold the watermark for as long as its pull lasts.
const moves = { timeoutMs: 60_000 };
const storingMs = 5_000;
let nats: Nats;
let system: System;

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-watermark-'));
  nats = await startNats({ storeDir: join(folder, 'nats'), binary: inject('natsBinary') });
  const environment = { ACK_WAIT: `${ackWaitMs}ms`, BATCH_SIZE: '100', PUBLISH_TIMEOUT: '10s' };
  system = await startSystem({ natsUrl: nats.url, workers: 2, environment });
  return async () => {
    for (const { child } of system.workers) child.kill('SIGCONT');
    await system.stop();
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  };
});

async function withBroker<T>(work: (jsm: JetStreamManager) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: nats.url });
  try {
    return await work(await jetstreamManager(connection));
  } finally {
    await connection.close();
  }
}

interface Sample {
  readonly watermark: number;
  readonly rows: number;
}

/** Looks again and again, in one statement: where the watermark is, and how many positions up to it have a row. */
function sample(): { stop(): Promise<Sample[]> } {
  const samples: Sample[] = [];
  let done = false;
  const running = (async () => {
    while (!done) {
      const { rows } = await system.database.pool.query<Sample>(`
        select w.position::int as watermark, (
          (select count(*) from events where position <= w.position)
          + (select count(*) from refused where position <= w.position)
          + (select count(*) from tallies where position <= w.position)
          + (select count(*) from dead_letters where position <= w.position)
          + (select count(*) from replays where position <= w.position)
        )::int as rows from watermark w`);
      samples.push(...rows);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
  })();
  // Heard when it is stopped; a test that fails before that ends the connections under it.
  running.catch(() => undefined);
  return {
    async stop() {
      done = true;
      await running;
      return samples;
    },
  };
}

/** `lost`: what the operator's hand has taken out of the stream; the only gaps there may be. */
function expectHonest(samples: readonly Sample[], lost = 0): void {
  // It did look, and more than at the start and at the end: how often is up to the machine.
  expect(samples.length).toBeGreaterThan(2);
  let before = 0;
  for (const { watermark, rows } of samples) {
    expect(watermark).toBeGreaterThanOrEqual(before);
    before = watermark;
    expect(watermark - rows).toBeGreaterThanOrEqual(0);
    expect(watermark - rows).toBeLessThanOrEqual(lost);
  }
}

async function under<T>(run: string, copies: number, trouble: () => Promise<T>): Promise<T> {
  let done = false;
  const load = sendAll(planCopies(copies, 0.2, run), {
    connections: 2,
    batchSize: 10,
    makeClient: system.ingest,
    retry: true,
    until: () => done,
  });
  try {
    await waitUntil('events are stored', async () => (await stored()) > 100);
    return await trouble();
  } finally {
    done = true;
    await load;
  }
}

const stored = () => system.database.value<number>('select count(*)::int from events');
const position = () => system.database.value<number>('select position::int from watermark');

test('brokers killed, consumers deleted and limited, a worker stopped and killed: the watermark never lies', async () => {
  const sampling = sample();
  // More than there is time for.
  await under('chaos', 1_000_000, async () => {
    for (let round = 0; round < 3; round++) {
      const stopped = system.workers[round % 2];
      stopped?.child.kill('SIGSTOP');
      await withBroker((jsm) =>
        waitUntil('the limit is set', async () => {
          const { name } = await workersConsumer(jsm, system.names);
          return jsm.consumers.update(system.names.stream, name, { max_deliver: 2 }).catch(() => undefined);
        }),
      );
      let before = await position();
      await waitUntil('the watermark moves', async () => (await position()) > before + 50, moves);
      await nats.kill();
      await nats.restart();
      before = await position();
      await waitUntil('the watermark moves', async () => (await position()) > before + 50, moves);
      await withBroker(async (jsm) => {
        const { name } = await workersConsumer(jsm, system.names);
        await jsm.consumers.delete(system.names.stream, name).catch(() => false);
      });
      // Longer than the broker waits for its acks.
      const stoppedUntil = Date.now() + 2 * ackWaitMs;
      await waitUntil('its messages were handed out again', () => Date.now() > stoppedUntil);
      if (round === 1) {
        await stopped?.kill('SIGKILL');
        system.workers[1] = await system.startWorker();
      } else {
        stopped?.child.kill('SIGCONT');
      }
    }
  });
  await drained(system, 1);
  expectHonest(await sampling.stop());
  await auditedTotals(system.database);
  await withBroker(async (jsm) => {
    await waitUntil('the consumer is as it was made', async () => {
      return (await workersConsumer(jsm, system.names)).config.max_deliver === -1;
    });
  });
}, 300_000);

test('messages given up while Postgres is away are not passed, and are stored when it is back', async () => {
  const sampling = sample();
  // Away for whoever stores: the epoch's lock is held, and each call ends at lock_timeout.
  const holder = await system.database.pool.connect();
  await holder.query('begin');
  await holder.query('select pg_advisory_xact_lock(epoch_lock_key())');
  const { answered } = await sendAll(planCopies(300, 0, 'given-up'), {
    connections: 1,
    batchSize: 50,
    makeClient: system.ingest,
  });
  for (const { child } of system.workers) child.kill('SIGSTOP');
  await withBroker(async (jsm) => {
    const { name } = await workersConsumer(jsm, system.names);
    await jsm.consumers.update(system.names.stream, name, { max_deliver: 1 });
    await waitUntil('all of them are given up', async () => {
      const info = await jsm.consumers.info(system.names.stream, name);
      return info.num_ack_pending === 0 && info.num_pending === 0;
    }).catch(() => undefined);
  });
  for (const { child } of system.workers) child.kill('SIGCONT');
  expect(await position()).toBe(0);
  await holder.query('rollback');
  holder.release();
  await waitUntil('all of it is stored', async () => (await stored()) === answered.length);
  await drained(system, 300);
  expectHonest(await sampling.stop());
});

test('messages deleted and purged by hand are the only gaps, and the audit names them', async () => {
  const sampling = sample();
  for (const worker of system.workers) await worker.kill();
  await sendAll(planCopies(200, 0, 'gone'), { connections: 1, batchSize: 50, makeClient: system.ingest });
  const gone = await withBroker(async (jsm) => {
    const { state } = await jsm.streams.info(system.names.stream);
    for (let seq = 50; seq < 60; seq++) await jsm.streams.deleteMessage(system.names.stream, seq);
    const { purged } = await jsm.streams.purge(system.names.stream, { seq: 31 });
    expect(state.messages).toBe(200);
    return 10 + purged;
  });
  expect(gone).toBe(40);
  system.workers[0] = await system.startWorker();
  await drained(system, 200);
  await waitUntil('the samples reach the end', async () => (await position()) === 200);
  const samples = await sampling.stop();
  expectHonest(samples, 40);
  const response = await fetch(`${system.http}/stats/reconcile`);
  expect(JSON.stringify(await response.json())).toContain('lost_positions');
});

test('a worker stopped with a full buffer and calls under way delays the others by no more than the settings say', async () => {
  const [stopped] = system.workers;
  const sampling = sample();
  await under('stopped', 30_000, async () => {
    stopped?.child.kill('SIGSTOP');
  });
  const stoppedAtMs = performance.now();
  await drained(system, 1);
  const tookMs = performance.now() - stoppedAtMs;
  console.info(`with one of two workers stopped, everything was stored ${tookMs | 0} ms after the load`);
  // What the stopped one has asked for it is still given, for as long as its pull lasts, and each time ACK_WAIT passes
  // before somebody else gets it. A storing call of its own ends by itself. The rest is for the storing.
  expect(tookMs).toBeLessThan(pullExpiresMs + 2 * ackWaitMs + storingMs);
  expectHonest(await sampling.stop());
});
