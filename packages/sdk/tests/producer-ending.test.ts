import { setTimeout as delay } from 'node:timers/promises';
import { EventsieveError } from '@eventsieve/client';
import { expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { busy, type FakeCall } from './fake-gateway.js';
import { answer, event, eventOf, failureOf, names, start } from './producer-fixture.js';

test('sends wait in line while as much is held as may be, and go on in their order', async () => {
  const held: FakeCall[] = [];
  let open = false;
  const { producer, ids } = await start({ maxBatch: 5, maxInFlight: 1, maxBufferedBytes: 50_000 }, (call) => {
    if (open) call.answer();
    else held.push(call);
  });
  const sends = names('e', 500).map((id) => producer.send(eventOf(id, 1000)));
  expect(producer.bufferedBytes).toBeGreaterThan(45_000);
  expect(producer.bufferedBytes).toBeLessThan(52_000);
  let ready = false;
  const room = producer.ready().then(() => {
    ready = true;
  });
  await waitUntil('a call is under way', () => held.length === 1);
  expect(ready).toBe(false);
  open = true;
  held.map(answer);
  await Promise.all([...sends, room]);
  expect(ids()).toEqual(names('e', 500));
  expect(producer.bufferedBytes).toBe(0);
});

test('what others wait in line for does not linger', async () => {
  const { producer } = await start({ lingerMs: 600_000, maxBufferedBytes: 1 }, answer);
  const first = producer.send(event('a'));
  const second = producer.send(event('b'));
  expect(await first).toMatchObject({ eventId: 'a' });
  await Promise.all([producer.flush(), second]);
});

test('who awaits ready before each send never holds more than is allowed', async () => {
  let most = 0;
  const { producer } = await start({ maxBatch: 20, maxInFlight: 2, maxBufferedBytes: 100_000 }, answer);
  const sends: Promise<unknown>[] = [];
  let inLine = 0;
  for (let index = 0; index < 3_000; index++) {
    await producer.ready();
    const before = producer.bufferedBytes;
    sends.push(producer.send(eventOf(`e${index}`, 300)));
    if (producer.bufferedBytes === before) inLine++;
    most = Math.max(most, producer.bufferedBytes);
  }
  await Promise.all(sends);
  expect(inLine).toBe(0);
  expect(most).toBeGreaterThan(20_000);
  expect(most).toBeLessThan(101_000);
});

test('a loop that awaits ready lets calls leave while it runs', async () => {
  const { producer, calls } = await start({ maxBatch: 10 }, answer);
  const sends: Promise<unknown>[] = [];
  for (let index = 0; index < 2_000 && calls.length === 0; index++) {
    await producer.ready();
    sends.push(producer.send(event(`e${index}`)));
  }
  expect(calls.length).toBeGreaterThan(0);
  await Promise.all(sends);
});

test('a gateway that never answers: each send, sent or in line, is rejected by its deadline', async () => {
  const { producer } = await start(
    { maxBatch: 5, maxInFlight: 1, maxBufferedBytes: 20_000, timeoutMs: 400 },
    () => undefined,
  );
  const begun = performance.now();
  const settledAt: number[] = [];
  const sends = names('e', 100).map((id) =>
    failureOf(producer.send(eventOf(id, 500))).then((error) => {
      settledAt.push(performance.now() - begun);
      return error;
    }),
  );
  const errors = await Promise.all(sends);
  expect(new Set(errors.map((error) => error?.code))).toEqual(new Set(['DEADLINE_EXCEEDED']));
  expect(errors.every((error) => error instanceof EventsieveError && error.retryable)).toBe(true);
  // What was never sent says so: it cannot have been taken.
  expect(errors.filter((error) => error?.reason === 'NOT_SENT').length).toBeGreaterThan(80);
  expect(errors[0]?.reason).not.toBe('NOT_SENT');
  expect(Math.min(...settledAt)).toBeGreaterThan(300);
  expect(Math.max(...settledAt)).toBeLessThan(10_000);
  await producer.flush();
});

test('flush waits for what was sent before it, and not for what comes after', async () => {
  const held: FakeCall[] = [];
  const { producer, calls } = await start({ lingerMs: 60_000, maxInFlight: 4 }, (call) => held.push(call));
  const before = producer.send(event('before'));
  const flushed = producer.flush();
  void producer.send(event('after'));
  const second = producer.flush();
  await waitUntil('both calls', () => calls.length === 2);
  held.find(({ ids }) => ids[0] === 'before')?.answer();
  await Promise.all([before, flushed]);
  expect(await Promise.race([second.then(() => 'settled'), delay(50).then(() => 'open')])).toBe('open');
  held.find(({ ids }) => ids[0] === 'after')?.answer();
  await second;
  await producer.flush();
});

test('close sends what lingers, then refuses, and may be asked for twice', async () => {
  const { producer, ids } = await start({ lingerMs: 60_000, maxBufferedBytes: 1 }, answer);
  const sends = ['a', 'b'].map((id) => producer.send(event(id)));
  await Promise.all([producer.close(), producer.close()]);
  expect(ids()).toEqual(['a', 'b']);
  expect(await Promise.all(sends)).toHaveLength(2);
  const late = await failureOf(producer.send(event('late')));
  expect(late).toBeInstanceOf(EventsieveError);
  expect(late).toMatchObject({ reason: 'CLOSED', retryable: false });
  await producer.ready();
});

test('a producer that is disposed of has sent everything', async () => {
  const { producer, ids } = await start({ lingerMs: 60_000 }, answer);
  const sent = producer.send(event('a'));
  await producer[Symbol.asyncDispose]();
  expect(ids()).toEqual(['a']);
  await sent;
});

test('an aborted close rejects what is left at once: sent, lingering, waiting to be tried again and in line', async () => {
  const held: FakeCall[] = [];
  const { producer } = await start({ maxBatch: 2, maxInFlight: 2, maxBufferedBytes: 3_000 }, (call, number) => {
    if (number === 1) call.fail(busy(30_000));
    else held.push(call);
  });
  const sends = names('e', 30).map((id) => failureOf(producer.send(event(id))));
  await waitUntil('calls are under way', () => held.length > 0);
  const controller = new AbortController();
  const closing = producer.close({ signal: controller.signal });
  controller.abort(new Error('no time'));
  const begun = performance.now();
  const errors = await Promise.all(sends);
  await closing;
  expect(performance.now() - begun).toBeLessThan(10_000);
  for (const error of errors) {
    expect(error).toBeInstanceOf(EventsieveError);
    expect(error).toMatchObject({ reason: 'ABORTED', retryable: true, cause: { message: 'no time' } });
  }
  await waitUntil('the call is cancelled', () => held[0]?.cancelled());
  expect(producer.bufferedBytes).toBe(0);
});

test('closing the client sends what its producers hold', async () => {
  const { producer, client, ids } = await start({ lingerMs: 60_000 }, answer);
  const sent = producer.send(event('a'));
  await client.close();
  expect(ids()).toEqual(['a']);
  await sent;
});
