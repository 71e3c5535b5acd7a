import { EventsieveError as ServerError } from '@eventsieve/contract/errors';
import { TailStart } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { afterEach, expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import type { Peer } from '../src/call.js';
import { type ConnectOptions, connect } from '../src/connect.js';
import type { EventsieveError } from '../src/error.js';
import { type Tail, type TailOptions, type TailSurroundings, tailEvents } from '../src/tail-events.js';
import { type FakeQuery, type FakeTail, startFakeQuery } from './fake-query.js';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Scene {
  readonly options?: TailOptions;
  readonly surroundings?: TailSurroundings;
  readonly connection?: ConnectOptions;
}

/** A tail of a service that does what the test says with each call. */
async function follow(
  onTail: (tail: FakeTail, number: number) => void,
  { options = {}, surroundings = {}, connection = {} }: Scene = {},
): Promise<{ query: FakeQuery; tail: Tail; peer: Peer }> {
  const query = await startFakeQuery(onTail);
  const peer = connect(query.address, connection);
  const tail = tailEvents(peer, options, surroundings);
  cleanUps.push(
    () => query.stop(),
    () => peer.client.close(),
    () => tail.return(),
  );
  return { query, tail, peer };
}

async function positions(tail: Tail, count: number): Promise<number[]> {
  const found: number[] = [];
  for await (const { position } of tail) {
    found.push(Number(position));
    if (found.length === count) break;
  }
  return found;
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (reason: unknown) => reason as EventsieveError,
  );

const unavailable = (details = {}) => new ServerError('UNAVAILABLE', 'gone', details);

test('it goes on after the last event that came, or where the server said it is when none came', async () => {
  const { query, tail } = await follow((call, number) => {
    if (number === 1) {
      call.signOfLife(4);
      call.fail(unavailable());
    } else if (number === 2) {
      call.event(5);
      call.event(6);
      call.end();
    } else call.event(7);
  });
  expect(await positions(tail, 3)).toEqual([5, 6, 7]);
  const asked = query.tails.map(({ request }) => [request.start, request.cursor]);
  expect(asked).toEqual([
    [TailStart.TAIL_START_NOW, ''],
    [TailStart.TAIL_START_UNSPECIFIED, '4'],
    [TailStart.TAIL_START_UNSPECIFIED, '6'],
  ]);
});

test('one that begins at a time goes on with that time, or a later one of its filter, but not with both', async () => {
  const since = new Date('2024-05-01T00:00:00.5Z');
  for (const [receivedFrom, expected] of [
    [undefined, { seconds: 1_714_521_600n, nanos: 500_000_000 }],
    ['2024-04-01T00:00:00Z', { seconds: 1_714_521_600n, nanos: 500_000_000 }],
    ['2024-05-01T00:00:00.4Z', { seconds: 1_714_521_600n, nanos: 500_000_000 }],
    ['2024-05-01T00:00:00.6Z', { seconds: 1_714_521_600n, nanos: 600_000_000 }],
  ] as const) {
    const { query, tail } = await follow(
      (call, number) => {
        call.signOfLife(0);
        if (number === 1) call.end();
        else call.event(1);
      },
      { options: { from: since, receivedFrom } },
    );
    expect(await positions(tail, 1)).toEqual([1]);
    const [first, second] = query.tails.map(({ request }) => request);
    expect(first).toMatchObject({ since: { nanos: 500_000_000 }, cursor: '' });
    expect(second).toMatchObject({ since: undefined, cursor: '0', receivedFrom: expected });
  }
});

test('opened() resolves at the first sign of life, and no event is lost to it', async () => {
  const { query, tail } = await follow((call) => call.signOfLife(4));
  expect(query.tails).toEqual([]);
  await tail.opened();
  expect(tail.cursor).toBe('4');
  query.tails[0]?.event(5);
  query.tails[0]?.event(6);
  await tail.opened();
  expect(tail.cursor).toBe('4');
  expect(await positions(tail, 2)).toEqual([5, 6]);
  expect(tail.cursor).toBe('6');
  expect(query.tails).toHaveLength(1);
});

test('opened() rejects with what ended it: a refusal, or the reason of its signal', async () => {
  const refused = await follow((call) => call.fail(new ServerError('INVALID_ARGUMENT', 'no')));
  expect(await failureOf(refused.tail.opened())).toMatchObject({ code: 'INVALID_ARGUMENT' });
  const controller = new AbortController();
  const never = await follow(() => undefined, { options: { signal: controller.signal } });
  const failure = failureOf(never.tail.opened());
  await waitUntil('it is asked', () => never.query.tails.length === 1);
  controller.abort('enough');
  expect(await failure).toBe('enough');
  expect(await failureOf(never.tail.next())).toBe('enough');
});

test('the failures in a row are counted from the last sign of life, told, and limited', async () => {
  const told: string[] = [];
  const onFailure = ({ code }: EventsieveError, failures: number) => void told.push(`${code} ${failures}`);
  const { query, tail } = await follow(
    (call, number) => {
      if (number === 3) call.signOfLife(1);
      call.fail(unavailable());
    },
    { options: { maxFailures: 2, onFailure } },
  );
  expect(await failureOf(tail.next())).toMatchObject({ code: 'UNAVAILABLE', message: 'gone' });
  expect(query.tails).toHaveLength(5);
  expect(told).toEqual(['UNAVAILABLE 1', 'UNAVAILABLE 2', 'UNAVAILABLE 1', 'UNAVAILABLE 2']);
  expect(await tail.next()).toEqual({ done: true, value: undefined });
});

test('it comes back no sooner than the server asks for', async () => {
  const { tail } = await follow((call, number) => {
    if (number === 1) call.fail(new ServerError('RESOURCE_EXHAUSTED', 'full', { retryAfterMs: 400 }));
    else call.event(1);
  });
  const begunAtMs = performance.now();
  await positions(tail, 1);
  expect(performance.now() - begunAtMs).toBeGreaterThan(395);
});

test('a server that says nothing at all is left, but not while it is the consumer that takes its time', async () => {
  const { query, tail } = await follow(
    (call, number) => {
      if (number > 1) call.event(1);
    },
    { surroundings: { silenceMs: 200 } },
  );
  await tail.next();
  expect(query.tails).toHaveLength(2);
  await new Promise((resolve) => setTimeout(resolve, 500));
  query.tails[1]?.event(2);
  await tail.next();
  expect(query.tails).toHaveLength(2);
});

test('who takes its time is sent no more than a few events and what a connection holds', async () => {
  let written = 0;
  const text = 'x'.repeat(10_000);
  const { tail } = await follow(async (call) => {
    for (; written < 2_000; await call.room()) call.event(++written, text);
  });
  await tail.next();
  let before = -1;
  const isStill = () => {
    const same = before === written;
    before = written;
    return same;
  };
  await waitUntil('the server has stopped', isStill, { everyMs: 200 });
  expect(written).toBeLessThan(100);
  expect(await positions(tail, 1_999)).toEqual(Array.from({ length: 1_999 }, (_, index) => index + 2));
});

test('return() while it waits ends it at once, before the first call, within one, and between two', async () => {
  const unused = await follow(() => undefined);
  expect(await unused.tail.return()).toEqual({ done: true, value: undefined });
  expect(await unused.tail.next()).toEqual({ done: true, value: undefined });
  expect(unused.query.tails).toEqual([]);

  let ended = 0;
  const onEnd = () => void ended++;
  const waiting = await follow((call) => call.signOfLife(1), { surroundings: { onEnd } });
  await waiting.tail.opened();
  const next = waiting.tail.next();
  await waiting.tail.return();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(ended).toBeGreaterThan(0);
  await waitUntil('the call has ended', () => waiting.query.tails[0]?.isOver());

  const left = await follow((call) => call.signOfLife(1));
  await (async () => {
    await using tail = left.tail;
    await tail.opened();
  })();
  await waitUntil('the call has ended', () => left.query.tails[0]?.isOver());

  const between = await follow((call) => call.fail(unavailable({ retryAfterMs: 3_600_000 })));
  const pending = between.tail.next();
  await waitUntil('it was refused', () => between.query.tails.length === 1);
  await between.tail.return();
  expect(await pending).toEqual({ done: true, value: undefined });
});

test('an event that opened() had seen is not given after the end', async () => {
  const { tail } = await follow((call) => {
    call.signOfLife(1);
    call.event(2);
  });
  await tail.opened();
  await new Promise((resolve) => setImmediate(resolve));
  await tail.return();
  expect(await tail.next()).toEqual({ done: true, value: undefined });
});

test('each connection carries the metadata of the moment, and one that does not come counts as a failure', async () => {
  let asked = 0;
  const metadata = async () => {
    asked++;
    if (asked === 1) throw new Error('no token yet');
    return { token: `t${asked}` };
  };
  const told: string[] = [];
  const { tail } = await follow((call) => call.event(1), {
    connection: { metadata },
    options: { onFailure: ({ message }) => void told.push(message) },
  });
  expect(await positions(tail, 1)).toEqual([1]);
  expect(asked).toBe(2);
  expect(told).toEqual([expect.stringContaining('no token yet')]);
});

test('metadata that never comes does not keep it from ending', async () => {
  const { tail } = await follow(() => undefined, { connection: { metadata: () => new Promise(() => undefined) } });
  const next = tail.next();
  await tail.return();
  expect(await next).toEqual({ done: true, value: undefined });
});
