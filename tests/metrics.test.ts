import {
  Outcome,
  type PublishRequest,
  type PublishResponse,
  WaitFor,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { ListEventsRequest, QueryServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/query';
import {
  gatewayMetrics,
  type MetricSpec,
  metricsOfService,
  queryMetrics,
  workerMetrics,
} from '@eventsieve/contract/metric-names';
import { credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExpositionPage, metricsUrlOf, scrape } from './support/exposition.js';
import { eventOf, type Planned, planCopies, publish } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
let client: ReturnType<System['ingest']>;
beforeAll(async () => {
  system = await startSystem();
  client = system.ingest();
});
afterAll(async () => {
  client.close();
  await system.stop();
});

const brokerCopies = 100;
const batchSize = 10;
const broker = planCopies(brokerCopies, 0.3, 'window');
const stored = planCopies(50, 0.2, 'store');
const batches = (plan: readonly Planned[]) =>
  Array.from({ length: plan.length / batchSize }, (_, i) => plan.slice(i * batchSize, (i + 1) * batchSize));
/** Each of these requests has one tally written for it. */
const requestsWithRepeats = (() => {
  const seen = new Set<string>();
  return batches(broker).filter((batch) => {
    const repeats = batch.filter(({ eventId }) => seen.has(eventId) || !seen.add(eventId));
    return repeats.length > 0;
  }).length;
})();
const brokerMessages = brokerCopies - 30 + 2 + requestsWithRepeats;
const refusedRequests = { topic: 1, payload: 2, events: 1 };

async function sendEverything(): Promise<void> {
  for (const batch of batches(broker))
    await publish(
      client,
      batch.map((each) => eventOf(each)),
    );
  for (const batch of batches(stored)) {
    await publish(
      client,
      batch.map((each) => eventOf(each)),
      WaitFor.WAIT_FOR_STORED,
    );
  }
  const first = stored[0] as Planned;
  const forged = await publish(client, [eventOf({ ...first, payload: '{"forged":true}' })], WaitFor.WAIT_FOR_STORED);
  expect(forged.results[0]?.outcome).toBe(Outcome.OUTCOME_CONFLICT);

  const good = { topic: 'partial', eventId: 'p', payload: '{}' };
  const partial = [eventOf(good), eventOf(good, ''), eventOf({ ...good, eventId: 'q' })];
  expect((await publishPartly(partial)).rejected).toBe(1);

  const bad = [
    [eventOf({ ...good, topic: '' })],
    [eventOf({ ...good, payload: '[]' })],
    [eventOf(good), eventOf({ ...good, payload: '{"a":"\\u0000"}' })],
    [],
  ];
  for (const events of bad) await expect(publish(client, events)).rejects.toThrow(/INVALID_ARGUMENT/);
  await expect(publishBytes(Buffer.from([0x0a, 0xff, 0xff]))).rejects.toThrow(/INVALID_ARGUMENT/);
}

function publishPartly(events: PublishRequest['events']): Promise<PublishResponse> {
  return new Promise((resolve, reject) => {
    const request = { events, waitFor: WaitFor.WAIT_FOR_BROKER, allowPartial: true };
    client.publish(request, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

function publishBytes(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const path = '/eventsieve.v1.IngestService/Publish';
    const same = (value: Buffer) => value;
    client.makeUnaryRequest(path, same, same, bytes, new Metadata(), (error, response) =>
      error ? reject(error) : resolve(response as Buffer),
    );
  });
}

/** Resolves with the error of the call, or null. */
function listEvents(limit: number): Promise<Error | null> {
  const reader = new QueryServiceClient(system.queryAddress, credentials.createInsecure());
  const request = ListEventsRequest.fromPartial({ limit });
  return new Promise<Error | null>((resolve) => reader.listEvents(request, resolve)).finally(() => reader.close());
}

const pages = async () => ({
  gateway: await scrape(system.gateway),
  'dedup-worker': await scrape(system.workers[0] as System['gateway']),
  query: await scrape(system.query as System['gateway']),
});

describe('after copies with repeats, a conflict and bad requests', () => {
  let page: Awaited<ReturnType<typeof pages>>;

  beforeAll(async () => {
    await sendEverything();
    await listEvents(10);
    const messages = brokerMessages + stored.length + 1;
    page = await waitUntil('everything is stored and counted', async () => {
      const now = await pages();
      const shown = [
        now.query.value(queryMetrics.received.name),
        now.query.value(queryMetrics.inFlight.name),
        now['dedup-worker'].value(workerMetrics.streamMessages.name),
        now['dedup-worker'].value(workerMetrics.watermark.name),
        // A scrape is timed at its end, so only the second one shows a request of HTTP.
        now.query.value(`${queryMetrics.httpSeconds.name}_count`, { route: '/metrics', status: '2xx' }),
      ];
      return shown.slice(0, 4).join() === [153, 0, 0, messages].join() && shown[4] ? now : undefined;
    });
  });

  test.each(Object.entries(metricsOfService))(
    '%s exposes what the contract lists, and nothing else',
    (service, specs) => {
      const exposed = page[service as keyof typeof page];
      expect(exposed.contentType).toMatch(/^text\/plain; version=0\.0\.4/);
      const own = [...exposed.types].filter(([name]) => name.startsWith('eventsieve_'));
      const listed: readonly MetricSpec[] = Object.values(specs);
      expect(Object.fromEntries(own)).toEqual(Object.fromEntries(listed.map(({ name, kind }) => [name, kind])));
      // Timed at its end, so this scrape is the first thing that the query service has to say of itself.
      for (const { name, help, kind, labels } of listed.filter((spec) => spec !== queryMetrics.grpcSeconds)) {
        expect(exposed.helps.get(name)).toBe(help);
        const samples = exposed.samples.filter(
          (sample) => sample.name === (kind === 'histogram' ? `${name}_count` : name),
        );
        expect(samples.length, name).toBeGreaterThan(0);
        for (const sample of samples)
          expect(Object.keys(sample.labels).sort(), name).toEqual(Object.keys(labels).sort());
        const series = Object.values(labels).reduce((product, values) => product * values.length, 1);
        if (series > 0) expect(samples.length, name).toBe(series);
      }
    },
  );

  test.each(['gateway', 'dedup-worker', 'query'] as const)('%s exposes the figures of its process', (service) => {
    const exposed = page[service];
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_p99_seconds',
      'nodejs_heap_size_used_bytes',
    ]) {
      expect(exposed.value(name), name).toBeGreaterThan(0);
    }
  });

  test('the gateway has counted every copy and every request', () => {
    const { gateway } = page;
    const { received, answered, rejected, refused, invalid } = gatewayMetrics;
    expect(nonZero(gateway, received)).toEqual({ broker: brokerCopies + 2, stored: 51 });
    expect(nonZero(gateway, answered)).toEqual({
      'broker accepted': 72,
      'broker duplicate': 30,
      'broker rejected': 1,
      'stored stored': 40,
      'stored duplicate': 10,
      'stored conflict': 1,
    });
    expect(nonZero(gateway, rejected)).toEqual({ source: 1 });
    expect(nonZero(gateway, refused)).toEqual({ INVALID_FIELD: 4, UNDECODABLE: 1 });
    expect(nonZero(gateway, invalid)).toEqual(refusedRequests);
    expect(nonZero(gateway, gatewayMetrics.duplicates)).toEqual({ broker: 30 });
    expect(requestsWithRepeats).toBeGreaterThan(0);
    expect(gateway.value(gatewayMetrics.tallies.name)).toBe(requestsWithRepeats);
    const requests = brokerCopies / batchSize + stored.length / batchSize + 2;
    expect(gateway.value(`${gatewayMetrics.publishSeconds.name}_count`)).toBe(requests + requestsWithRepeats);
    expect(nonZero(gateway, gatewayMetrics.requestSeconds)).toEqual({
      'broker answered': 11,
      'broker invalid': 4,
      'stored answered': 6,
    });
    expect(gateway.value(gatewayMetrics.unackedMessages.name)).toBe(0);
    expect(gateway.value(gatewayMetrics.unackedBytes.name)).toBe(0);
    expect(gateway.value(gatewayMetrics.requestBytes.name)).toBe(0);
    expect(gateway.value(gatewayMetrics.requestLimitBytes.name)).toBe(128 * 1024 ** 2);
    expect(gateway.value(gatewayMetrics.waiting.name)).toBe(0);
    expect(gateway.value(gatewayMetrics.connected.name)).toBe(1);
  });

  test('the worker has counted every verdict and every message', () => {
    const worker = page['dedup-worker'];
    const messages = brokerMessages + stored.length + 1;
    const value = ({ name }: MetricSpec, suffix = '') => worker.value(name + suffix);
    expect(value(workerMetrics.stored)).toBe(112);
    expect(nonZero(worker, workerMetrics.duplicates)).toEqual({ store: 11 });
    expect(value(workerMetrics.conflicts)).toBe(1);
    expect(value(workerMetrics.deadLetters)).toBe(0);
    expect(value(workerMetrics.redeliveries)).toBe(0);
    expect(value(workerMetrics.batchMessages, '_sum')).toBe(messages);
    expect(value(workerMetrics.commitSeconds, '_count')).toBe(value(workerMetrics.batchMessages, '_count'));
    expect(nonZero(worker, workerMetrics.failedCalls)).toEqual({});
    expect(value(workerMetrics.streamBytes)).toBe(0);
    expect(value(workerMetrics.streamLimitBytes)).toBe(256 * 1024 ** 2);
    expect(value(workerMetrics.streamLimitMessages)).toBe(Number.POSITIVE_INFINITY);
    expect(value(workerMetrics.watermark)).toBe(messages);
    expect(value(workerMetrics.watermarkLag)).toBe(0);
    expect(value(workerMetrics.epoch)).toBe(1);
    expect(value(workerMetrics.connected)).toBe(1);
    expect(value(workerMetrics.consuming)).toBe(1);
  });

  test('the query service shows the sums of GetStats, and they add up', () => {
    const counts = {
      received: 153,
      unique: 112,
      duplicates: 41,
      conflicts: 1,
      deadLettered: 0,
      redriven: 0,
      inFlight: 0,
    };
    const shown = Object.fromEntries(
      Object.keys(counts).map((key) => [key, page.query.value(queryMetrics[key as keyof typeof counts].name)]),
    );
    expect(shown).toEqual(counts);
  });

  test('requests and calls are timed by route and by method, whatever path comes', async () => {
    const before = await scrape(system.query as System['gateway']);
    await Promise.all([1, 2, 3].map(() => fetch(`${system.http}/stats`)));
    expect((await fetch(`${system.http}/stats?nonsense=1`)).status).toBe(400);
    expect((await fetch(`${system.http}/no/such/${Math.random()}`)).status).toBe(404);
    expect(await listEvents(10)).toBeNull();
    expect(await listEvents(-1)).toBeInstanceOf(Error);

    const { httpSeconds, grpcSeconds } = queryMetrics;
    const asked: [MetricSpec, Record<string, string>, number][] = [
      [httpSeconds, { route: '/stats', status: '2xx' }, 3],
      [httpSeconds, { route: '/stats', status: '4xx' }, 1],
      [httpSeconds, { route: 'none', status: '4xx' }, 1],
      [grpcSeconds, { method: 'ListEvents', code: 'OK' }, 1],
      [grpcSeconds, { method: 'ListEvents', code: 'INVALID_ARGUMENT' }, 1],
    ];
    // Each is timed at its end, which may come after its answer.
    const after = await waitUntil('all of them are timed', async () => {
      const now = await scrape(system.query as System['gateway']);
      return asked.every(([spec, labels, times]) => grown(spec, labels, now) >= times) ? now : undefined;
    });
    function grown({ name }: MetricSpec, labels: Record<string, string>, now: ExpositionPage): number {
      return (now.value(`${name}_count`, labels) ?? 0) - (before.value(`${name}_count`, labels) ?? 0);
    }
    for (const [spec, labels, times] of asked) expect(grown(spec, labels, after), JSON.stringify(labels)).toBe(times);
  });
});

test('no series carries what a publisher chose', async () => {
  const secret = 'chosen-by-a-publisher';
  const event = eventOf({ topic: secret, eventId: secret, payload: '{}' }, secret);
  await publish(client, [event], WaitFor.WAIT_FOR_STORED);
  await fetch(`${system.http}/events/${secret}/${secret}`);
  for (const service of system.processes()) {
    expect(await (await fetch(metricsUrlOf(service))).text()).not.toContain(secret);
  }
});

/** Samples (of a histogram: its counts) that are not 0, by the values of their labels. */
function nonZero(page: ExpositionPage, { name, kind }: MetricSpec): Record<string, number> {
  const wanted = kind === 'histogram' ? `${name}_count` : name;
  return Object.fromEntries(
    page.samples
      .filter((sample) => sample.name === wanted && sample.value !== 0)
      .map(({ labels, value }) => [Object.values(labels).join(' '), value]),
  );
}
