import { setTimeout as delay } from 'node:timers/promises';
import { EventsieveError, type ProducerOptions } from '@eventsieve/client';
import { invalid } from '@eventsieve/contract/errors';
import { expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { busy, type FakeCall, Outcome, ServerError, storedResult, WaitFor } from './fake-gateway.js';
import { answer, event, failureOf, names, start, testClient, testGateway } from './producer-fixture.js';

test('events that are sent together travel together, in their order, as many as a batch may have', async () => {
  const { producer, calls } = await start({ maxBatch: 3, wait: 'broker' }, answer);
  const results = await Promise.all(names('e', 7).map((id) => producer.send(event(id))));
  expect(calls.map(({ ids }) => ids)).toEqual([['e0', 'e1', 'e2'], ['e3', 'e4', 'e5'], ['e6']]);
  expect(results.map(({ eventId, position }) => `${eventId} ${position}`)).toEqual([
    'e0 1',
    'e1 2',
    'e2 3',
    'e3 1',
    'e4 2',
    'e5 3',
    'e6 1',
  ]);
  expect(calls.map(({ request }) => [request.waitFor, request.allowPartial])).toEqual(
    new Array(3).fill([WaitFor.WAIT_FOR_BROKER, true]),
  );
});

test('an event lingers for others, and no longer', async () => {
  const { producer, calls } = await start({ lingerMs: 500 }, answer);
  const begun = performance.now();
  const first = producer.send(event('a'));
  await delay(20);
  await Promise.all([first, producer.send(event('b'))]);
  const took = performance.now() - begun;
  expect(calls.map(({ ids }) => ids)).toEqual([['a', 'b']]);
  expect(took).toBeGreaterThan(490);
  expect(took).toBeLessThan(10_000);
});

test('a batch has no more bytes than the gateway takes with ease, and a large event goes alone', async () => {
  const { producer, calls } = await start({ maxBatch: 1000, maxInFlight: 1 }, answer);
  const text = (kib: number) => JSON.stringify({ text: 'x'.repeat(kib * 1024) });
  const sizes = [400, 400, 400, 1, 5_000, 1];
  await Promise.all(sizes.map((kib, index) => producer.send(event(`e${index}`, text(kib)))));
  expect(calls.map(({ ids }) => ids)).toEqual([['e0', 'e1'], ['e2', 'e3'], ['e4'], ['e5']]);
});

test('no more calls are under way than wanted, and what comes meanwhile travels together', async () => {
  const held: FakeCall[] = [];
  const { producer, calls } = await start({ maxBatch: 50, maxInFlight: 2, lingerMs: 0 }, (call) => held.push(call));
  const sends: Promise<unknown>[] = [];
  for (const id of ['a', 'b']) {
    sends.push(producer.send(event(id)));
    await waitUntil('it is under way', () => calls.length === sends.length);
  }
  for (const id of ['c', 'd', 'e']) {
    sends.push(producer.send(event(id)));
    await delay(20);
  }
  expect(calls).toHaveLength(2);
  held[0]?.answer();
  await waitUntil('the third call', () => calls.length === 3);
  expect(calls[2]?.ids).toEqual(['c', 'd', 'e']);
  held.slice(1).map(answer);
  await Promise.all(sends);
});

test('what failed is sent again as the same bytes, with its ids and times, after the pause that was asked for', async () => {
  const at: number[] = [];
  const { producer, calls } = await start({}, (call, number) => {
    at.push(performance.now());
    if (number < 3) call.fail(busy(150));
    else call.answer();
  });
  const { eventId: _, ...anonymous } = event('');
  const results = await Promise.all([producer.send(anonymous), producer.send(event('b')), producer.send(anonymous)]);
  expect(calls).toHaveLength(3);
  expect(calls.every(({ bytes }) => bytes.equals(calls[0]?.bytes as Buffer))).toBe(true);
  expect(results.map(({ eventId }) => eventId)).toEqual(calls[0]?.ids);
  expect(new Set(calls[0]?.ids).size).toBe(3);
  expect(results.map(({ attempts }) => attempts)).toEqual([3, 3, 3]);
  expect(Math.min(...at.slice(1).map((each, index) => each - (at[index] as number)))).toBeGreaterThanOrEqual(149);
});

test('with one call at a time failures change no order', async () => {
  const { producer, calls } = await start(
    { maxBatch: 2, maxInFlight: 1, retry: { firstPauseMs: 5 } },
    (call, number) => (number % 2 === 1 ? call.fail(busy()) : call.answer()),
  );
  await Promise.all(names('e', 10).map((id) => producer.send(event(id))));
  const answered = calls.filter((_, index) => index % 2 === 1).flatMap(({ ids }) => ids);
  expect(answered).toEqual(names('e', 10));
});

test('a call has the trace of its first event, as it was when that was sent', async () => {
  const { address: gateway, calls } = await testGateway(answer);
  const traceOf = (number: number) => `00-${'ab'.repeat(16)}-${'cd'.repeat(7)}0${number}-01`;
  let active: string | undefined;
  const client = testClient({ gateway, traceparent: () => active });
  const producer = client.producer({ maxBufferedBytes: 1, maxInFlight: 1 });
  const sends = [1, 2, 3].map((number) => {
    active = traceOf(number);
    return producer.send(event(`e${number}`));
  });
  active = traceOf(9);
  await Promise.all(sends);
  expect(calls.map(({ metadata }) => metadata.get('traceparent'))).toEqual(
    [1, 2, 3].map((number) => [traceOf(number)]),
  );
});

test('what is final is not tried again, and only what was refused rejects', async () => {
  const { producer, calls } = await start({ maxBatch: 3 }, (call) =>
    call.reply(
      call.request.events.map((each, index) => ({
        ...storedResult(each, index),
        ...(each.eventId === 'bad'
          ? {
              outcome: Outcome.OUTCOME_REJECTED,
              error: { code: 'INVALID_ARGUMENT', message: 'is bad', field: 'topic' },
            }
          : {}),
      })),
    ),
  );
  const [good, bad, dead] = [event('good'), event('bad'), event('fine')].map((each) => producer.send(each));
  const error = await failureOf(bad as Promise<unknown>);
  expect(error).toBeInstanceOf(EventsieveError);
  expect(error).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: 'topic: is bad',
    retryable: false,
    fields: [{ field: 'topic', message: 'is bad' }],
  });
  expect([(await good)?.outcome, (await dead)?.outcome]).toEqual(['stored', 'stored']);
  expect(calls).toHaveLength(1);
});

test('a batch that is refused for one of its events is sent in parts until that one is alone', async () => {
  const { producer, calls } = await start({ maxInFlight: 1 }, (call) =>
    call.ids.includes('e5')
      ? call.fail(invalid([{ index: call.ids.indexOf('e5'), field: 'payload', message: 'is odd' }]))
      : call.answer(),
  );
  const sends = names('e', 11).map((id) => producer.send(event(id)));
  const settled = await Promise.allSettled(sends);
  expect(settled.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))).toEqual([5]);
  expect(await failureOf(sends[5] as Promise<unknown>)).toMatchObject({ message: 'payload: is odd' });
  const taken = calls.filter(({ ids }) => !ids.includes('e5')).flatMap(({ ids }) => ids);
  expect(taken).toEqual(names('e', 11).filter((id) => id !== 'e5'));
});

test('a gateway that takes fewer events at once is given fewer from then on', async () => {
  const { producer, calls } = await start({ maxBatch: 40, maxInFlight: 1 }, (call) =>
    call.ids.length > 10
      ? call.fail(invalid([{ field: 'events', message: 'must hold at most 10 events' }]))
      : call.answer(),
  );
  await Promise.all(names('e', 200).map((id) => producer.send(event(id))));
  expect(calls.filter(({ ids }) => ids.length <= 10).flatMap(({ ids }) => ids)).toEqual(names('e', 200));
  const before = calls.length;
  await Promise.all(names('f', 40).map((id) => producer.send(event(id))));
  expect(calls.slice(before).map(({ ids }) => ids.length)).toEqual([10, 10, 10, 10]);
});

test('an answer that lacks verdicts leaves nobody waiting', async () => {
  const { producer } = await start({}, (call) => call.reply(call.request.events.slice(0, 1).map(storedResult)));
  const [first, second] = [producer.send(event('a')), producer.send(event('b'))];
  expect(await first).toMatchObject({ outcome: 'stored' });
  expect(await failureOf(second)).toMatchObject({ code: 'INTERNAL', message: /fewer verdicts/ });
});

test('an event is sent as it was when it was taken, and one whose own code fails is refused alone', async () => {
  const { producer, calls } = await start({}, answer);
  const changing = { ...event('a'), payloadJson: undefined, payload: { n: 1 } };
  const failing = {
    topic: 't',
    source: 's',
    get eventId(): string {
      throw new TypeError('gone');
    },
  };
  const first = producer.send(changing);
  changing.payload.n = 2;
  const error = await failureOf(producer.send(failing));
  expect(error).toBeInstanceOf(EventsieveError);
  await first;
  expect(calls[0]?.request.events[0]?.payloadJson).toBe('{"n":1}');
  await producer.close();
});

test.each([
  [{ maxBatch: 0 }, 'maxBatch: must be a whole number from 1, not 0'],
  [{ lingerMs: 1.5 }, 'lingerMs: must be a whole number from 0, not 1.5'],
  [{ wait: 'never' }, 'wait: must be stored or broker, not never'],
])('%j is refused', (options, message) => {
  const client = testClient();
  expect(() => client.producer(options as ProducerOptions)).toThrow(message);
});

test('an error of the server that is no refusal of an event fails all that travel with it, once', async () => {
  const { producer, calls } = await start({}, (call) => call.fail(new ServerError('INTERNAL', 'internal error')));
  const errors = await Promise.all(['a', 'b'].map((id) => failureOf(producer.send(event(id)))));
  expect(errors).toMatchObject([{ code: 'INTERNAL' }, { code: 'INTERNAL' }]);
  expect(calls).toHaveLength(1);
});
