import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { gatewayMetrics, type MetricSpec, queryMetrics, workerMetrics } from '@eventsieve/contract/metric-names';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, inject, test } from 'vitest';
import { scrape } from './support/exposition.js';
import type { ServiceProcess } from './support/processes.js';
import { eventOf, publish } from './support/publishers.js';
import { type System, type SystemOptions, startSystem } from './support/system.js';
import { startProxy } from './support/tcp-proxy.js';
import { waitUntil } from './support/wait-until.js';

async function withSystem(options: SystemOptions, work: (system: System) => Promise<void>): Promise<void> {
  const system = await startSystem(options);
  try {
    await work(system);
  } finally {
    await system.stop();
  }
}

const sampleOf = async (service: ServiceProcess, { name }: MetricSpec, labels = {}) =>
  (await scrape(service)).value(name, labels);
const becomes = (service: ServiceProcess, spec: MetricSpec, wanted: number | undefined, labels = {}) =>
  waitUntil(`${spec.name} is ${wanted}`, async () => (await sampleOf(service, spec, labels)) === wanted);
const workerOf = (system: System) => system.workers[0] as ServiceProcess;
const queryOf = (system: System) => system.query as ServiceProcess;
const copies = (count: number, run: string) =>
  Array.from({ length: count }, (_, i) => eventOf({ topic: 'trouble', eventId: `${run}-${i}`, payload: '{}' }));

test('without the broker it shows on each service, and what the broker would say is not made up', async () => {
  const proxy = await startProxy(Number(new URL(inject('natsUrl')).port));
  try {
    await withSystem({ natsUrl: `nats://127.0.0.1:${proxy.port}` }, async (system) => {
      await becomes(workerOf(system), workerMetrics.consuming, 1);
      await becomes(workerOf(system), workerMetrics.streamMessages, 0);
      await proxy.stop();
      await becomes(system.gateway, gatewayMetrics.connected, 0);
      await becomes(workerOf(system), workerMetrics.connected, 0);
      await becomes(workerOf(system), workerMetrics.consuming, 0);
      await becomes(workerOf(system), workerMetrics.streamMessages, undefined);

      const client = system.ingest();
      for (let i = 0; i < 3; i++) await expect(publish(client, copies(2, 'away'))).rejects.toThrow(/UNAVAILABLE/);
      client.close();
      const page = await scrape(system.gateway);
      expect(page.value(gatewayMetrics.refused.name, { reason: 'BROKER_AWAY' })).toBe(3);
      const retryable = { wait: 'broker', result: 'retryable' };
      expect(page.value(`${gatewayMetrics.requestSeconds.name}_count`, retryable)).toBe(3);
      await becomes(queryOf(system), queryMetrics.unique, 0);
    });
  } finally {
    await proxy.stop();
  }
});

test('while Postgres hangs the backlog is still shown, what waits is counted, and the counts are left out', async () => {
  const direct = new URL(inject('postgresUrl'));
  const proxy = await startProxy(Number(direct.port));
  const behind = new URL(direct);
  behind.port = String(proxy.port);
  try {
    await withSystem({ postgresUrl: behind.href }, async (system) => {
      const worker = workerOf(system);
      await becomes(worker, workerMetrics.consuming, 1);
      await becomes(queryOf(system), queryMetrics.received, 0);

      proxy.holdClients(true);
      const client = system.ingest();
      await publish(client, copies(5, 'waiting'));
      client.close();
      await becomes(worker, workerMetrics.streamMessages, 5);
      await becomes(worker, workerMetrics.batchesUnderWay, 1);
      proxy.cut();
      await waitUntil('a storing call waits', () => sampleOf(worker, workerMetrics.failedCalls, { remedy: 'wait' }));
      await becomes(queryOf(system), queryMetrics.received, undefined);
      expect(await sampleOf(worker, workerMetrics.stored)).toBe(0);

      proxy.holdClients(false);
      await becomes(worker, workerMetrics.stored, 5);
      await becomes(queryOf(system), queryMetrics.received, 5);
    });
  } finally {
    await proxy.stop();
  }
}, 90_000);

test('a stream that is full refuses, and shows how full it is', async () => {
  await withSystem({ workers: 1, query: false, environment: { QUEUE_MAX_SIZE: '10' } }, async (system) => {
    const worker = workerOf(system);
    await becomes(worker, workerMetrics.consuming, 1);
    const holder = await system.database.pool.connect();
    try {
      await holder.query('begin');
      await holder.query('lock table event_keys in access exclusive mode');
      const client = system.ingest();
      await publish(client, copies(10, 'full'));
      await expect(publish(client, copies(3, 'more'))).rejects.toThrow(/RESOURCE_EXHAUSTED/);
      client.close();
      await becomes(worker, workerMetrics.streamMessages, 10);
      expect(await sampleOf(worker, workerMetrics.streamLimitMessages)).toBe(10);
      expect(await sampleOf(system.gateway, gatewayMetrics.refused, { reason: 'STREAM_FULL' })).toBe(1);
    } finally {
      await holder.query('rollback');
      holder.release();
    }
    await becomes(worker, workerMetrics.stored, 10);
    await becomes(worker, workerMetrics.watermarkLag, 0);
  });
});

test('what a killed worker had is counted as redelivered by the next one, and stored once', async () => {
  await withSystem({ query: false, environment: { ACK_WAIT: '4s' } }, async (system) => {
    await becomes(workerOf(system), workerMetrics.consuming, 1);
    const connection = await connect({ servers: system.natsUrl });
    const jsm = await jetstreamManager(connection);
    const holder = await system.database.pool.connect();
    try {
      await holder.query('begin');
      await holder.query('lock table event_keys in access exclusive mode');
      const client = system.ingest();
      await publish(client, copies(20, 'again'));
      client.close();
      await waitUntil('all are handed out', async () => {
        for await (const consumer of jsm.consumers.list(system.names.stream)) return consumer.num_ack_pending === 20;
        return false;
      });
      await workerOf(system).kill('SIGKILL');
      system.workers = [];
    } finally {
      await holder.query('rollback');
      holder.release();
      await connection.close();
    }
    const next = await system.startWorker();
    system.workers = [next];
    await becomes(next, workerMetrics.redeliveries, 20);
    await becomes(next, workerMetrics.stored, 20);
    expect(await system.database.value('select count(*)::int from events')).toBe(20);
  });
});

test('messages that can never be stored are counted as dead letters, in the worker and in the sums', async () => {
  await withSystem({}, async (system) => {
    await becomes(workerOf(system), workerMetrics.consuming, 1);
    const connection = await connect({ servers: system.natsUrl });
    const subject = `${system.names.eventSubjectPrefix}poison`;
    const text = (value: string) => Buffer.from(value);
    const nul = Copy.encode({
      topic: text('poison'),
      eventId: text('a\0b'),
      source: text('s'),
      payload: text('{}'),
      timestampUs: 1_700_000_000_000_000n,
      replyTo: '',
      ticket: 0n,
    }).finish();
    for (const body of [nul, Buffer.from([0x0a, 0xff])]) await jetstream(connection).publish(subject, body);
    await connection.close();
    const client = system.ingest();
    await publish(client, copies(3, 'good'));
    client.close();

    await becomes(workerOf(system), workerMetrics.deadLetters, 2);
    await becomes(workerOf(system), workerMetrics.stored, 3);
    await becomes(queryOf(system), queryMetrics.deadLettered, 2);
    expect(await sampleOf(queryOf(system), queryMetrics.received)).toBe(5);
    expect(await sampleOf(workerOf(system), workerMetrics.failedCalls, { remedy: 'split' })).toBeGreaterThan(0);
  });
});
