import { EventsieveError, invalid } from '@eventsieve/contract/errors';
import type { Event } from '@eventsieve/contract/gen/eventsieve/v1/event';
import {
  Outcome,
  type PublishRequest,
  type PublishResponse,
  WaitFor,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { afterEach, beforeEach, expect, it, test, vi } from 'vitest';
import { defaultGatherLimits, type GatherLimits, gathersPublishes } from './gather-publishes.js';

interface Call {
  readonly request: PublishRequest;
  readonly timeoutMs: number;
  readonly traceparent: string | undefined;
  readonly ids: readonly string[];
  answer(rejected?: readonly string[]): void;
  fail(error: unknown): void;
}

let calls: Call[];
beforeEach(() => {
  calls = [];
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

const gateway = {
  publish: (request: PublishRequest, timeoutMs: number, traceparent?: string) =>
    new Promise<PublishResponse>((resolve, reject) => {
      const ids = request.events.map(({ eventId }) => eventId);
      calls.push({
        request,
        timeoutMs,
        traceparent,
        ids,
        fail: reject,
        answer: (rejected = []) => resolve(answerTo(ids, rejected)),
      });
    }),
};

function answerTo(ids: readonly string[], rejected: readonly string[]): PublishResponse {
  const results = ids.map((eventId, index) => ({
    topic: 't',
    eventId,
    outcome: rejected.includes(eventId) ? Outcome.OUTCOME_REJECTED : Outcome.OUTCOME_STORED,
    position: BigInt(index),
    firstSeenAt: undefined,
    error: undefined,
  }));
  return { received: 0, accepted: 0, inserted: 0, duplicates: 0, conflicts: 0, rejected: 0, results };
}

const event = (eventId: string, payloadJson = '{}'): Event => ({
  topic: 't',
  eventId,
  source: 's',
  timestamp: undefined,
  payloadJson,
});

/** What became of each id, as far as it is known. */
function gatherer(changes: Partial<GatherLimits> = {}) {
  const limits = { ...defaultGatherLimits, timeoutMs: 5_000, ...changes };
  const gather = gathersPublishes(gateway, WaitFor.WAIT_FOR_STORED, limits);
  const known: Record<string, string> = {};
  const post = (...ids: readonly string[]) => {
    for (const id of ids) {
      gather(event(id)).then(
        ({ eventId, outcome }) => {
          known[id] = `${eventId} ${outcome}`;
        },
        (error: EventsieveError) => {
          known[id] = error.reason ?? error.code;
        },
      );
    }
  };
  return { gather, post, known };
}

const turn = () => vi.advanceTimersByTimeAsync(0);
const sent = () => calls.map(({ ids }) => ids);

it('sends what arrives in one turn in one call, and each event gets its own verdict', async () => {
  const { post, known } = gatherer();
  post('a', 'b', 'c');
  expect(calls).toEqual([]);
  await turn();
  expect(sent()).toEqual([['a', 'b', 'c']]);
  expect(calls[0]?.request).toMatchObject({ waitFor: WaitFor.WAIT_FOR_STORED, allowPartial: true });
  calls[0]?.answer(['b']);
  await turn();
  expect(known).toEqual({
    a: `a ${Outcome.OUTCOME_STORED}`,
    b: `b ${Outcome.OUTCOME_REJECTED}`,
    c: `c ${Outcome.OUTCOME_STORED}`,
  });
});

it('gives an event that belongs to a trace a call of its own', async () => {
  const { gather, post } = gatherer();
  post('a', 'b');
  void gather(event('traced'), 'trace-1');
  void gather(event('other'), 'trace-2');
  post('c', 'd');
  await turn();
  expect(calls.map(({ ids, traceparent }) => [...ids, traceparent])).toEqual([
    ['a', 'b', undefined],
    ['traced', 'trace-1'],
    ['other', 'trace-2'],
    ['c', 'd', undefined],
  ]);
});

it('lets an event that is alone be refused by its own call', async () => {
  const { post, known } = gatherer();
  post('a');
  await turn();
  expect(calls[0]?.request.allowPartial).toBe(false);
  calls[0]?.fail(invalid([{ index: 0, field: 'topic', message: 'no' }]));
  await turn();
  expect(known).toEqual({ a: 'INVALID_FIELD' });
  expect(calls).toHaveLength(1);
});

it('gathers while calls are under way, and sends when one of them ends', async () => {
  const { post } = gatherer({ softCalls: 1, gatherMs: 1_000 });
  post('a');
  await turn();
  post('b');
  await turn();
  post('c');
  await turn();
  expect(sent()).toEqual([['a']]);
  calls[0]?.answer();
  await turn();
  expect(sent()).toEqual([['a'], ['b', 'c']]);
});

it('does not wait for a call that hangs', async () => {
  const { post, known } = gatherer({ softCalls: 1, gatherMs: 20 });
  post('a');
  await turn();
  post('b', 'c');
  await vi.advanceTimersByTimeAsync(19);
  expect(sent()).toEqual([['a']]);
  await vi.advanceTimersByTimeAsync(2);
  expect(sent()).toEqual([['a'], ['b', 'c']]);
  calls[1]?.answer();
  await turn();
  expect(Object.keys(known)).toEqual(['b', 'c']);
});

it('bounds a call in events and bytes', async () => {
  const { post } = gatherer({ maxEvents: 2 });
  post('a', 'b', 'c');
  await turn();
  expect(sent()).toEqual([['a', 'b'], ['c']]);
  const { gather } = gatherer({ maxBytes: 1_000 });
  for (const id of ['d', 'e', 'f']) void gather(event(id, 'x'.repeat(id === 'e' ? 5_000 : 100)));
  await turn();
  expect(sent().slice(2)).toEqual([['d'], ['e'], ['f']]);
});

it('sends a full call at once, whatever is under way', async () => {
  const { post } = gatherer({ softCalls: 1, gatherMs: 1_000, maxEvents: 2 });
  post('a');
  await turn();
  post('b', 'c');
  await turn();
  expect(sent()).toEqual([['a'], ['b', 'c']]);
});

it('bounds the calls, and refuses for certain what it cannot send for too long', async () => {
  const { post, known } = gatherer({ softCalls: 1, hardCalls: 2, maxEvents: 1, patienceMs: 500 });
  post('a', 'b', 'c');
  await turn();
  expect(sent()).toEqual([['a'], ['b']]);
  await vi.advanceTimersByTimeAsync(600);
  expect(known).toEqual({ c: 'GATEWAY_SLOW' });
  expect(calls).toHaveLength(2);
});

it('bounds what waits', async () => {
  const { post, known } = gatherer({ maxWaitingEvents: 2 });
  post('a', 'b', 'c');
  await turn();
  expect(known).toEqual({ c: 'TOO_MANY_WAITING' });
  const narrow = gatherer({ maxWaitingBytes: 200 });
  narrow.post('d', 'e', 'f');
  await turn();
  expect(narrow.known).toEqual({ f: 'TOO_MANY_WAITING' });
});

test('an error of the call is the answer to all in it', async () => {
  const { post, known } = gatherer();
  post('a', 'b');
  await turn();
  calls[0]?.fail(new EventsieveError('UNAVAILABLE', 'away'));
  await turn();
  expect(known).toEqual({ a: 'UNAVAILABLE', b: 'UNAVAILABLE' });
  expect(calls).toHaveLength(1);
});

test('a call refused for the sake of one event is sent again, each event alone', async () => {
  const { post, known } = gatherer();
  post('a', 'b');
  await turn();
  calls[0]?.fail(invalid([{ index: 1, field: 'payload', message: 'is more than the broker takes' }]));
  await turn();
  expect(sent()).toEqual([['a', 'b'], ['a'], ['b']]);
  calls[1]?.answer();
  calls[2]?.fail(invalid([{ index: 0, field: 'payload', message: 'is more than the broker takes' }]));
  await turn();
  expect(known).toEqual({ a: `a ${Outcome.OUTCOME_STORED}`, b: 'INVALID_FIELD' });
});

test('the time that an event waited is taken off its call', async () => {
  const { post } = gatherer({ softCalls: 1, gatherMs: 300 });
  post('a');
  await turn();
  post('b');
  await vi.advanceTimersByTimeAsync(300);
  expect(calls[0]?.timeoutMs).toBe(5_000);
  expect(calls[1]?.timeoutMs).toBe(4_700);
});
