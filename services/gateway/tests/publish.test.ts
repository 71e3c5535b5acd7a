import type { Event } from '@eventsieve/contract/gen/eventsieve/v1/event';
import {
  type IngestServiceClient,
  Outcome,
  type PublishResponse,
  WaitFor,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Copy, Tally, Verdicts } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import type { ServiceError } from '@grpc/grpc-js';
import { afterEach, expect, inject, test } from 'vitest';
import { eventOf, publish } from '../../../tests/support/publishers.js';
import { startProxy } from '../../../tests/support/tcp-proxy.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { startTestGateway, type TestGateway } from './gateway-fixture.js';

let gateway: TestGateway;
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(environment?: Readonly<Record<string, string>>): Promise<void> {
  gateway = await startTestGateway(environment);
  cleanups.push(() => gateway.stop());
}

const event = (eventId: string, payload = '{"n":1}') => eventOf({ topic: 'orders', eventId, payload });
function publishPartly(client: IngestServiceClient, events: Event[]): Promise<PublishResponse> {
  return new Promise((resolve, reject) => {
    client.publish({ events, waitFor: WaitFor.WAIT_FOR_BROKER, allowPartial: true }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

const failure = (call: Promise<unknown>) =>
  call.then(
    () => expect.unreachable('the call succeeded'),
    (error: ServiceError) => fromGrpcError(error),
  );

test('copies of one request stand in the stream in their order', async () => {
  await start();
  const ids = Array.from({ length: 200 }, (_, i) => `e${i}`);
  const { results, accepted } = await publish(
    gateway.client,
    ids.map((id) => event(id)),
  );
  expect(accepted).toBe(200);
  expect(results.every(({ outcome }) => outcome === Outcome.OUTCOME_ACCEPTED)).toBe(true);
  const stored = (await gateway.messages()).map(({ data }) => Buffer.from(Copy.decode(data).eventId).toString());
  expect(stored).toEqual(ids);
});

test('an exact repeat is a duplicate, with one tally for the request that writes it down', async () => {
  await start();
  await publish(gateway.client, [event('e1'), event('e2')]);
  const { duplicates, accepted, results } = await publish(gateway.client, [
    event('e1'),
    event('e3'),
    event('e2'),
    event('e3'),
  ]);
  expect({ duplicates, accepted }).toEqual({ duplicates: 3, accepted: 1 });
  expect(results.map(({ outcome }) => outcome)).toEqual([
    Outcome.OUTCOME_DUPLICATE,
    Outcome.OUTCOME_ACCEPTED,
    Outcome.OUTCOME_DUPLICATE,
    Outcome.OUTCOME_DUPLICATE,
  ]);
  const tallies = (await gateway.messages()).filter(({ subject }) => subject === gateway.names.tallySubject);
  expect(tallies.map(({ data }) => Tally.decode(data).groups)).toEqual([
    [{ topic: 'orders', source: 'test', eventIds: ['e1', 'e2', 'e3'] }],
  ]);
});

test('the same id with another payload or source always reaches the stream', async () => {
  await start();
  const results = [event('e1'), event('e1', '{"n":2}'), { ...event('e1'), source: 'other' }];
  for (const each of results) {
    expect((await publish(gateway.client, [each])).results[0]?.outcome).toBe(Outcome.OUTCOME_ACCEPTED);
  }
  expect(await gateway.messages()).toHaveLength(3);
});

test('a repeat whose tally is refused is an error, never a duplicate', async () => {
  await start({ QUEUE_MAX_SIZE: '1' });
  await publish(gateway.client, [event('e1')]);
  const error = await failure(publish(gateway.client, [event('e1')]));
  expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'STREAM_FULL', retryAfterMs: 1_000 });
});

test('a full stream refuses with a hint when to try again', async () => {
  await start({ QUEUE_MAX_SIZE: '2' });
  await publish(gateway.client, [event('e1'), event('e2')]);
  expect(await failure(publish(gateway.client, [event('e3')]))).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    retryAfterMs: 1_000,
  });
});

test('a copy waiting to be stored has no message id, and its verdict comes from the worker', async () => {
  await start();
  gateway.connection.subscribe(`${gateway.names.eventSubjectPrefix}>`, {
    callback: (_, message) => {
      const { replyTo, ticket } = Copy.decode(message.data);
      expect(message.headers).toBeUndefined();
      const verdict = {
        ticket,
        outcome: Outcome.OUTCOME_CONFLICT,
        position: 7n,
        firstSeenAtUs: 1_795_230_261_970_049n,
        reason: '',
      };
      gateway.connection.publish(replyTo, Verdicts.encode({ verdicts: [verdict] }).finish());
    },
  });
  await gateway.connection.flush();
  const answer = await publish(gateway.client, [event('e1')], WaitFor.WAIT_FOR_STORED);
  expect(answer).toMatchObject({ received: 1, accepted: 0, inserted: 0, duplicates: 1, conflicts: 1 });
  expect(answer.results[0]).toMatchObject({
    outcome: Outcome.OUTCOME_CONFLICT,
    position: 7n,
    firstSeenAt: { seconds: 1_795_230_261n, nanos: 970_049_000 },
  });
});

test('a verdict that does not come in time is answered as accepted', async () => {
  await start({ STORED_TIMEOUT: '150ms' });
  const { accepted, inserted, results } = await publish(gateway.client, [event('e1')], WaitFor.WAIT_FOR_STORED);
  expect({ accepted, inserted, outcome: results[0]?.outcome }).toEqual({
    accepted: 1,
    inserted: 0,
    outcome: Outcome.OUTCOME_ACCEPTED,
  });
  expect(await gateway.messages()).toHaveLength(1);
});

test('an ack that does not come back leaves the fate unknown, and says so', async () => {
  const proxy = await startProxy(Number(new URL(inject('natsUrl')).port));
  cleanups.push(() => proxy.stop());
  await start({ NATS_URL: `nats://127.0.0.1:${proxy.port}`, PUBLISH_TIMEOUT: '300ms' });
  proxy.holdServer(true);
  for (const waitFor of [WaitFor.WAIT_FOR_BROKER, WaitFor.WAIT_FOR_STORED]) {
    const error = await failure(publish(gateway.client, [event(`e${waitFor}`)], waitFor));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'FATE_UNKNOWN' });
  }
  proxy.holdServer(false);
  // It was taken all the same, and the publisher's second attempt finds that out.
  const retried = await waitUntil('the gateway works again', () =>
    publish(gateway.client, [event('e1')]).catch(() => undefined),
  );
  expect(retried.results[0]?.outcome).toBe(Outcome.OUTCOME_DUPLICATE);
});

test('without the broker a copy is refused with a hint, and taken again once it is back', async () => {
  const proxy = await startProxy(Number(new URL(inject('natsUrl')).port));
  cleanups.push(() => proxy.stop());
  await start({ NATS_URL: `nats://127.0.0.1:${proxy.port}` });
  proxy.holdClients(true);
  proxy.holdServer(true);
  proxy.cut();
  const error = await waitUntil('the loss is noticed', async () => {
    const failed = await failure(publish(gateway.client, [event('e1')]));
    return failed.reason === 'BROKER_AWAY' ? failed : undefined;
  });
  expect(error).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1_000 });
  expect((await fetch(gateway.health)).status).toBe(503);
  proxy.holdClients(false);
  proxy.holdServer(false);
  proxy.cut();
  await waitUntil('the gateway works again', () => publish(gateway.client, [event('e1')]).catch(() => undefined));
});

test('a stream that somebody deleted is made again, and the copy goes into it', async () => {
  await start();
  await gateway.jsm.streams.delete(gateway.names.stream);
  const { results } = await publish(gateway.client, [event('e1')]);
  expect(results[0]?.outcome).toBe(Outcome.OUTCOME_ACCEPTED);
  expect(await gateway.messages()).toHaveLength(1);
});

test('more than may be in flight is refused at once', async () => {
  const proxy = await startProxy(Number(new URL(inject('natsUrl')).port));
  cleanups.push(() => proxy.stop());
  await start({ NATS_URL: `nats://127.0.0.1:${proxy.port}`, PUBLISH_TIMEOUT: '5s', MAX_MESSAGES_IN_FLIGHT: '10' });
  proxy.holdServer(true);
  const slow = failure(
    publish(
      gateway.client,
      Array.from({ length: 8 }, (_, i) => event(`s${i}`)),
    ),
  );
  await waitUntil('they are in flight', async () => {
    const { state } = await gateway.jsm.streams.info(gateway.names.stream);
    return state.messages === 8;
  });
  const error = await failure(publish(gateway.client, [event('a'), event('b'), event('c')]));
  expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'TOO_MANY_IN_FLIGHT' });
  expect((await slow).reason).toBe('FATE_UNKNOWN');
});

test('an event that the broker would not take is refused by its field, and with allow_partial alone', async () => {
  await start({ MAX_EVENT_BYTES: '16MB', MAX_REQUEST_BYTES: '64MB' });
  const tooLarge = event('large', `{"a":"${'x'.repeat(9 * 1024 ** 2)}"}`);
  const error = await failure(publish(gateway.client, [event('small'), tooLarge]));
  expect(error.fields).toMatchObject([{ index: 1, field: 'payload' }]);
  const { results } = await publishPartly(gateway.client, [event('small'), tooLarge]);
  expect(results.map(({ outcome }) => outcome)).toEqual([Outcome.OUTCOME_ACCEPTED, Outcome.OUTCOME_REJECTED]);
});
