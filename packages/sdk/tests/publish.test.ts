import { EventsieveError, type NewEvent } from '@eventsieve/client';
import { invalid } from '@eventsieve/contract/errors';
import { expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { busy, type FakeCall, ServerError, startFakeGateway } from './fake-gateway.js';
import { answer, event, failureOf, names, testClient, testGateway } from './producer-fixture.js';

async function start(onCall: (call: FakeCall, number: number) => void) {
  const gateway = await testGateway(onCall);
  return { ...gateway, client: testClient({ gateway: gateway.address }) };
}

test('a call is repeated as the same bytes: ids and times are made once', async () => {
  const { client, calls } = await start((call, number) => (number < 4 ? call.fail(busy()) : call.answer()));
  const anonymous = { topic: 't', source: 's' };
  const { results } = await client.publish([anonymous, event('b'), anonymous], { retry: { firstPauseMs: 5 } });
  expect(calls).toHaveLength(4);
  expect(calls.every(({ bytes }) => bytes.equals(calls[0]?.bytes as Buffer))).toBe(true);
  expect(results.map(({ eventId }) => eventId)).toEqual(calls[0]?.ids);
  expect(new Set(calls[0]?.ids).size).toBe(3);
  expect(results.map(({ attempts }) => attempts)).toEqual([4, 4, 4]);
  expect(await client.publish(event('c'))).not.toHaveProperty('attempts');
});

test('a gateway that comes back in time has the call', async () => {
  const before = await startFakeGateway(answer);
  const port = Number(before.address.split(':')[1]);
  before.stop();
  const client = testClient({ gateway: before.address });
  const publishing = client.publish(event('a'));
  const back = await startFakeGateway(answer, undefined, port);
  try {
    expect(await publishing).toMatchObject({ outcome: 'stored' });
  } finally {
    back.stop();
  }
});

test('what is final is told at once, and what is not when the time is over', async () => {
  const { client, calls } = await start((call) => call.fail(new ServerError('INTERNAL', 'internal error')));
  expect(await failureOf(client.publish(event('a')))).toMatchObject({ code: 'INTERNAL', retryable: false });
  expect(calls).toHaveLength(1);

  // The fifth answer leaves no time for a sixth: a try that began at the very end might run out of its own.
  const away = await start((call, number) => call.fail(busy(number < 5 ? 10 : 10_000)));
  const begun = performance.now();
  const error = await failureOf(away.client.publish(event('a'), { timeoutMs: 5_000, retry: { longestPauseMs: 20 } }));
  expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'BUSY', retryable: true });
  expect(performance.now() - begun).toBeLessThan(15_000);
  expect(away.calls).toHaveLength(5);

  const unasked = await start((call) => call.fail(busy()));
  await failureOf(unasked.client.publish(event('a'), { retry: false }));
  expect(unasked.calls).toHaveLength(1);
});

test('a signal ends the call and the pauses between its tries', async () => {
  const { client, calls } = await start((call) => call.fail(busy(10_000)));
  const controller = new AbortController();
  const publishing = client.publish(event('a'), { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('changed my mind')), 100);
  await expect(publishing).rejects.toThrow('changed my mind');
  expect(calls).toHaveLength(1);
});

test('one signal may end any number of calls, and Node warns of nothing', async () => {
  const { client, calls } = await start(() => undefined);
  const warned: string[] = [];
  const onWarning = ({ name }: Error) => warned.push(name);
  process.on('warning', onWarning);
  try {
    const controller = new AbortController();
    const { signal } = controller;
    const publishing = names('e', 30).map((id) => failureOf(client.publish(event(id), { signal })));
    await waitUntil('all are under way', () => calls.length === 30);
    controller.abort(new Error('all of you'));
    const errors = await Promise.all(publishing);
    expect(errors.map((error) => error?.message)).toEqual(new Array(30).fill('all of you'));
    expect(warned).toEqual([]);
  } finally {
    process.off('warning', onWarning);
  }
});

test('with allowPartial an event that cannot be encoded has its verdict among the others', async () => {
  const { client, calls } = await start(answer);
  const bad = [{ ...event('nan'), payloadJson: undefined, payload: { a: Number.NaN } }, null, { topic: 5 }];
  const mixed = [bad[0], event('a'), bad[1], event('b'), bad[2]] as NewEvent[];
  const { received, rejected, results } = await client.publish(mixed, { allowPartial: true });
  expect({ received, rejected }).toEqual({ received: 5, rejected: 3 });
  expect(results.map(({ eventId, outcome }) => `${eventId} ${outcome}`)).toEqual([
    'nan rejected',
    'a stored',
    ' rejected',
    'b stored',
    ' rejected',
  ]);
  expect(results[0]?.error).toEqual({
    code: 'INVALID_ARGUMENT',
    field: 'payload',
    message: expect.stringContaining('NaN'),
  });
  expect(calls.map(({ ids }) => ids)).toEqual([['a', 'b']]);

  const none = await client.publish(bad as NewEvent[], { allowPartial: true });
  expect(none).toMatchObject({ received: 3, accepted: 0, rejected: 3 });
  expect(calls).toHaveLength(1);
});

test('fields at fault have the place of the event in the list, and none when it was alone', async () => {
  const { client, calls } = await start((call) =>
    call.fail(invalid([{ index: 0, field: 'source', message: 'is odd' }])),
  );
  const bad = { ...event('a'), topic: 5 } as unknown as NewEvent;
  expect(await failureOf(client.publish([event('a'), bad]))).toMatchObject({
    message: 'events[1].topic: must be a string, not a number',
    fields: [{ index: 1, field: 'topic' }],
  });
  expect(await failureOf(client.publish(bad))).toMatchObject({ message: 'topic: must be a string, not a number' });
  expect(calls).toHaveLength(0);
  expect(await failureOf(client.publish([event('a')]))).toMatchObject({ message: 'events[0].source: is odd' });
  const alone = await failureOf(client.publish(event('a')));
  expect(alone).toBeInstanceOf(EventsieveError);
  expect(alone?.fields).toEqual([{ field: 'source', message: 'is odd' }]);
  expect(alone?.message).toBe('source: is odd');
});
