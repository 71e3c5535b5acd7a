import { type IngestServiceClient, Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { gatewayMetrics, type MetricSpec } from '@eventsieve/contract/metric-names';
import { afterEach, expect, inject, test } from 'vitest';
import { parseExposition } from '../../../tests/support/exposition.js';
import { eventOf, publish } from '../../../tests/support/publishers.js';
import { startProxy, type TcpProxy } from '../../../tests/support/tcp-proxy.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { startTestGateway, type TestGateway } from './gateway-fixture.js';
import { openDeafStream, openStream } from './open-stream.js';

let gateway: TestGateway;
let client: IngestServiceClient;
let proxy: TcpProxy;
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A gateway with something between it and the broker, which may change what the broker says. */
async function start(
  environment: Readonly<Record<string, string>> = {},
  change: (chunk: Buffer) => Buffer = (chunk) => chunk,
): Promise<void> {
  proxy = await startProxy(Number(new URL(inject('natsUrl')).port), change);
  cleanups.push(() => proxy.stop());
  gateway = await startTestGateway({ NATS_URL: `nats://127.0.0.1:${proxy.port}`, ...environment });
  client = gateway.client;
  const { stop } = gateway;
  cleanups.push(stop);
}

const event = (eventId: string, topic = 'orders') => eventOf({ topic, eventId, payload: '{"n":1}' });
const events = (run: string, count: number) => Array.from({ length: count }, (_, i) => event(`${run}-${i}`));
const { WAIT_FOR_BROKER, WAIT_FOR_STORED } = WaitFor;

async function metric({ name }: MetricSpec, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const page = await fetch(gateway.health.replace('/health', '/metrics'));
  return parseExposition(await page.text()).value(name, labels) ?? 0;
}
const received = () => metric(gatewayMetrics.received, { wait: 'broker' });
const refused = (reason: string) => metric(gatewayMetrics.refused, { reason });
const unacked = () => metric(gatewayMetrics.unackedMessages);

test('while the broker has no room the stream is read no further, and nothing is refused', async () => {
  await start({ MAX_MESSAGES_IN_FLIGHT: '10' });
  proxy.holdServer(true);
  const stream = openStream(client);
  const requests = Array.from({ length: 30 }, (_, i) => events(`r${i}`, 4));
  for (const each of requests) stream.send(each);
  stream.end();
  await waitUntil('the room is filled', async () => (await unacked()) === 8);
  for (let i = 0; i < 20; i++) expect(await received()).toBe(8);
  proxy.holdServer(false);
  expect(await stream.ended).toBeUndefined();
  expect(stream.ids()).toEqual(requests.map((each) => each.map(({ eventId }) => eventId)));
  expect(await received()).toBe(120);
});

test('a request that finds no room for too long is refused, and nothing of it is taken', async () => {
  await start({ MAX_MESSAGES_IN_FLIGHT: '10', PUBLISH_TIMEOUT: '2s' });
  proxy.holdServer(true);
  const other = publish(client, events('other', 8)).catch(() => undefined);
  await waitUntil('the room is filled', async () => (await unacked()) === 8);
  const begunAtMs = performance.now();
  const stream = openStream(client);
  stream.send(events('late', 4));
  expect(await stream.ended).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'TOO_MANY_IN_FLIGHT', request: 0 });
  expect(performance.now() - begunAtMs).toBeGreaterThan(1_900);
  expect(performance.now() - begunAtMs).toBeLessThan(15_000);
  expect(await received()).toBe(8);
  await other;
});

test('a caller that reads no answers is read no further, while others are served', async () => {
  await start();
  const topic = '\u{1f600}'.repeat(255);
  const requests = Array.from({ length: 150 }, (_, i) =>
    Array.from({ length: 20 }, (_, k) => event(`${'x'.repeat(200)}-${i}-${k}`, topic)),
  );
  const stream = openDeafStream(gateway.address);
  cleanups.push(async () => stream.close());
  for (const each of requests) stream.send(each);
  stream.end();
  await waitUntil('as many as may be open', async () => (await received()) >= 64 * 20);
  for (let i = 0; i < 50; i++) await publish(client, [event(`other-${i}`)]);
  // Some answers fit into what the connection holds, and made room for as many requests.
  expect((await received()) - 50).toBeLessThanOrEqual((64 + 16) * 20);
  const { answers, status } = await stream.readAll();
  expect(status).toBe(0);
  expect(answers.map(({ results }) => results.map(({ eventId }) => eventId))).toEqual(
    requests.map((each) => each.map(({ eventId }) => eventId)),
  );
});

test('others are served while a stream sends all it can', async () => {
  await start();
  const stream = openStream(client);
  for (let i = 0; i < 100; i++) stream.send(events(`s${i}`, 200));
  stream.end();
  let running = true;
  void stream.ended.then(() => {
    running = false;
  });
  await waitUntil('it is under way', () => stream.answers.length > 0);
  const tookMs: number[] = [];
  while (running) {
    const begunAtMs = performance.now();
    await publish(client, [event(`o${tookMs.length}`)]);
    tookMs.push(performance.now() - begunAtMs);
  }
  expect(stream.answers).toHaveLength(100);
  expect(tookMs.length).toBeGreaterThan(1);
  expect(Math.max(...tookMs)).toBeLessThan(1_400);
});

test('once the caller is gone nothing is held for it', async () => {
  await start({ MAX_WAITING_COPIES: '3', STORED_TIMEOUT: '20s' });
  const stream = openStream(client);
  for (let i = 0; i < 3; i++) stream.send([event(`e${i}`)], { waitFor: WAIT_FOR_STORED });
  await waitUntil('all of them wait', async () => (await metric(gatewayMetrics.waiting)) === 3);
  stream.call.cancel();
  await waitUntil('they are let go', async () => (await metric(gatewayMetrics.waiting)) === 0);
  expect(await refused('CALLER_GONE')).toBe(1);
  const next = openStream(client);
  next.send(events('next', 3), { waitFor: WAIT_FOR_STORED });
  await waitUntil('the next one is taken', async () => (await metric(gatewayMetrics.waiting)) === 3);
  next.call.cancel();
});

test('a deadline ends a stream, and what is sent has an unknown fate', async () => {
  await start();
  proxy.holdServer(true);
  const stream = openStream(client, { deadline: Date.now() + 2_000 });
  stream.send([event('e0')]);
  stream.send([event('e1')]);
  expect(await stream.ended).toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: 'FATE_UNKNOWN', request: 0 });
  proxy.holdServer(false);
  await waitUntil('the acks', async () => (await unacked()) === 0);
  const idle = openStream(client, { deadline: Date.now() + 100 });
  expect(await idle.ended).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test('a caller that reads no answers until its deadline has passed does no harm to others', async () => {
  await start();
  const untilMs = Date.now() + 8_000;
  const stream = openDeafStream(gateway.address, { 'grpc-timeout': '8S' });
  cleanups.push(async () => stream.close());
  const topic = '\u{1f600}'.repeat(255);
  for (let i = 0; i < 100; i++) stream.send(Array.from({ length: 20 }, (_, k) => event(`${i}-${k}`, topic)));
  await waitUntil('as many as may be open', async () => (await received()) >= 64 * 20);
  for (let i = 0; Date.now() < untilMs + 100; i++) await publish(client, [event(`o${i}`)]);
  // DEADLINE_EXCEEDED, after the answers that had left: nothing is written behind it.
  const { answers, status } = await stream.readAll();
  expect(status).toBe(4);
  expect(answers.length).toBeLessThan(64);
  expect((await publish(client, [event('after')])).accepted).toBe(1);
});

test('a message that is too large ends the stream, and answers that come after that do no harm', async () => {
  await start({ MAX_REQUEST_BYTES: '64KB', MAX_EVENT_BYTES: '32KB' });
  const first = openStream(client);
  first.send([event('e0')]);
  await waitUntil('an answer', () => first.answers.length === 1);
  proxy.holdServer(true);
  first.send([event('e1')]);
  await waitUntil('it is sent', async () => (await unacked()) === 1);
  first.send([eventOf({ topic: 't', eventId: 'large', payload: `{"a":"${'x'.repeat(100_000)}"}` })]);
  expect(await first.ended).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    message: expect.stringMatching(/larger than max/),
  });
  proxy.holdServer(false);
  await waitUntil('the ack', async () => (await unacked()) === 0);
  expect((await publish(client, [event('e1')])).duplicates).toBe(1);
});

test('a stream that somebody deleted ends the call, is made again, and takes the next one', async () => {
  await start();
  await gateway.jsm.streams.delete(gateway.names.stream);
  const stream = openStream(client);
  for (let i = 0; i < 100; i++) stream.send([event(`e${i}`)]);
  expect(await stream.ended).toMatchObject({ code: 'UNAVAILABLE', reason: 'BROKER_REFUSED', request: 0 });
  expect(stream.answers).toEqual([]);
  const next = await waitUntil('it is taken', async () => {
    const again = openStream(client);
    again.send([event('e0')]);
    again.end();
    return (await again.ended) === undefined ? again : undefined;
  });
  expect(next.answers[0]?.results[0]?.outcome).toBe(Outcome.OUTCOME_ACCEPTED);
});

test('a full stream ends the call with a hint, after the answers to what was taken', async () => {
  await start({ QUEUE_MAX_SIZE: '3' });
  const stream = openStream(client);
  for (let i = 0; i < 5; i++) stream.send([event(`e${i}`)]);
  expect(await stream.ended).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    reason: 'STREAM_FULL',
    retryAfterMs: 1_000,
    request: 3,
  });
  expect(stream.ids()).toEqual([['e0'], ['e1'], ['e2']]);
  expect(await refused('STREAM_FULL')).toBe(1);
  expect(await metric(gatewayMetrics.answered, { wait: 'broker', outcome: 'accepted' })).toBe(3);
});

test('behind a request of unknown fate nothing is answered, though the broker took it', async () => {
  const unreadable = (text: string) => text.replace(/"seq":2\b/, '"sxq":2');
  await start({}, (chunk) => Buffer.from(unreadable(chunk.toString('latin1')), 'latin1'));
  proxy.holdServer(true);
  const stream = openStream(client);
  for (let i = 0; i < 5; i++) stream.send([event(`e${i}`)]);
  await waitUntil('they are sent', async () => (await unacked()) === 5);
  proxy.holdServer(false);
  expect(await stream.ended).toMatchObject({ code: 'UNAVAILABLE', reason: 'FATE_UNKNOWN', request: 1 });
  expect(stream.ids()).toEqual([['e0']]);
  expect(await metric(gatewayMetrics.answered, { wait: 'broker', outcome: 'accepted' })).toBe(1);
  expect(await gateway.messages()).toHaveLength(5);
});

test('a gateway that stops answers what it has read, then sends streams away', async () => {
  await start();
  proxy.holdServer(true);
  const [busy, idle] = [openStream(client), openStream(client)];
  for (const id of ['e0', 'e1']) busy.send([event(id)], { waitFor: WAIT_FOR_BROKER });
  await waitUntil('they are sent', async () => (await unacked()) === 2);
  const stopped = gateway.stop();
  cleanups.pop();
  const stopping = { code: 'UNAVAILABLE', reason: 'STOPPING', retryAfterMs: 500 };
  expect(await idle.ended).toMatchObject({ ...stopping, request: 0 });
  expect(busy.answers).toEqual([]);
  busy.send([event('late')]);
  proxy.holdServer(false);
  expect(await busy.ended).toMatchObject({ ...stopping, request: 2 });
  expect(busy.ids()).toEqual([['e0'], ['e1']]);
  await stopped;
});
