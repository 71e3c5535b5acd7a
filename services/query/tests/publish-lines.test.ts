import { EventsieveError } from '@eventsieve/contract/errors';
import { PublishRequest, PublishResponse, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { type LineLimits, openPublishLines, type PublishLines } from '../src/publish-lines.js';
import { type FakeGateway, outcomes, startFakeGateway } from './http-fixture.js';

let fake: FakeGateway;
let client: Client;
let lines: PublishLines;
const open = (limits?: LineLimits) => {
  lines = openPublishLines(client, limits);
};
beforeEach(async () => {
  fake = await startFakeGateway();
  client = new Client(fake.address, credentials.createInsecure());
});
afterEach(async () => {
  lines.close();
  client.close();
  await fake.stop();
});

const requestOf = (eventId: string) =>
  Buffer.from(
    PublishRequest.encode({
      events: [{ topic: 't', eventId, source: 's', timestamp: { seconds: 1n, nanos: 0 }, payloadJson: '{}' }],
      waitFor: WaitFor.WAIT_FOR_STORED,
      allowPartial: false,
    }).finish(),
  );
const publish = async (eventId: string, timeoutMs = 5_000) =>
  PublishResponse.decode(await lines.publish(requestOf(eventId), timeoutMs)).results[0]?.eventId;
const failing = (eventId: string, timeoutMs?: number) =>
  publish(eventId, timeoutMs).then(
    () => undefined,
    (error: EventsieveError) => error,
  );

test('one after the other they go over one call, and at the same time over one each', async () => {
  open();
  for (const id of ['a', 'b', 'c']) expect(await publish(id)).toBe(id);
  expect(fake.streams()).toBe(1);
  const ids = ['d', 'e', 'f', 'g'];
  expect(await Promise.all(ids.map((id) => publish(id)))).toEqual(ids);
  expect(fake.streams()).toBe(4);
});

test('one that is refused hears why, in the words of the gateway, and no other hears of it', async () => {
  open();
  fake.answer((request) =>
    request.events[0]?.eventId === 'bad'
      ? new EventsieveError('RESOURCE_EXHAUSTED', 'no room', { reason: 'TOO_MANY_IN_FLIGHT', retryAfterMs: 200 })
      : outcomes(request),
  );
  const [bad, good] = await Promise.all([failing('bad'), publish('good')]);
  expect(bad).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    message: 'no room',
    reason: 'TOO_MANY_IN_FLIGHT',
    retryAfterMs: 200,
  });
  expect(good).toBe('good');
  expect(await Promise.all(['a', 'b'].map((id) => publish(id)))).toEqual(['a', 'b']);
  // The line of the refused one has ended.
  expect(fake.streams()).toBe(3);
});

test('one that is not answered in time is given up, and its line with it', async () => {
  open();
  let cancelled = () => false;
  fake.answer((request) => {
    if (request.events[0]?.eventId !== 'slow') return outcomes(request);
    cancelled = fake.calls.at(-1)?.context.cancelled ?? cancelled;
    return new Promise(() => undefined);
  });
  expect(await publish('a')).toBe('a');
  expect(await failing('slow', 50)).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await waitUntil('the gateway hears of it', () => cancelled());
  expect(await publish('b')).toBe('b');
  expect(fake.streams()).toBe(2);
});

test('few lines are kept', async () => {
  open({ lifeMs: 600_000, mostIdle: 2 });
  await Promise.all(['a', 'b', 'c'].map((id) => publish(id)));
  expect(fake.streams()).toBe(3);
  await Promise.all(['a', 'b', 'c'].map((id) => publish(id)));
  expect(fake.streams()).toBe(4);
});

test('an old line is not used again', async () => {
  open({ lifeMs: 200, mostIdle: 2 });
  expect(await publish('a')).toBe('a');
  // However long it takes, the line is older than its life.
  await new Promise((resolve) => setTimeout(resolve, 220));
  expect(await publish('b')).toBe('b');
  expect(fake.streams()).toBe(2);
});

test('a gateway that closes its old connections refuses nobody for it', async () => {
  open();
  const aging = await startFakeGateway(300);
  const own = new Client(aging.address, credentials.createInsecure());
  lines = openPublishLines(own, { lifeMs: 800, mostIdle: 4 });
  try {
    // Lines of three generations, each older than any connection: more than one connection, or nothing has been shown.
    const publishOn = async (name: number) => {
      for (let n = 0; aging.streams() <= 12; n++) await publish(`${name}-${n}`);
    };
    await Promise.all([0, 1, 2, 3].map(publishOn));
  } finally {
    lines.close();
    own.close();
    await aging.stop();
  }
});

test('a gateway that goes answers what it has, and the next hears that nobody is there', async () => {
  open();
  expect(await publish('idle')).toBe('idle');
  let answer = () => {};
  fake.answer((request) => new Promise((resolve) => (answer = () => resolve(outcomes(request)))));
  const pending = publish('a');
  await waitUntil('it is there', () => fake.calls.length === 2);
  const stopped = fake.stop();
  answer();
  expect(await pending).toBe('a');
  await stopped;
  expect(await failing('b')).toMatchObject({ code: 'UNAVAILABLE' });
});
