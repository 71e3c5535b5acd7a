import { EventsieveError as ContractError, type ErrorCode, type ErrorDetails } from '@eventsieve/contract/errors';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EventsieveError } from './error.js';
import { pauseBeforeNext, withRetries } from './retry.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const failure = (code: ErrorCode, details: ErrorDetails = {}) =>
  new EventsieveError(new ContractError(code, 'no', details));

/** Fails with each of `errors` in turn, then gives the number of the attempt. */
function attempts(...errors: unknown[]) {
  const times: number[] = [];
  const begunAtMs = Date.now();
  return {
    times,
    attempt: async (number: number) => {
      times.push(Date.now() - begunAtMs);
      if (number <= errors.length) throw errors[number - 1];
      return number;
    },
  };
}

const patience = (change: object = {}) => ({ untilMs: Date.now() + 60_000, signal: undefined, retry: true, ...change });

async function ended(work: Promise<unknown>): Promise<unknown> {
  const result = work.catch((error: unknown) => error);
  await vi.runAllTimersAsync();
  return result;
}

test('what may go well later is tried again, after pauses that may double and are random from nothing on', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.999999);
  const { attempt, times } = attempts(
    failure('UNAVAILABLE'),
    failure('RESOURCE_EXHAUSTED'),
    failure('DEADLINE_EXCEEDED'),
  );
  expect(await ended(withRetries(attempt, patience()))).toBe(4);
  expect(times).toEqual([0, 100, 300, 700].map((ms) => expect.closeTo(ms, -1)));

  vi.spyOn(Math, 'random').mockReturnValue(0);
  const eager = attempts(failure('UNAVAILABLE'), failure('UNAVAILABLE'));
  expect(await ended(withRetries(eager.attempt, patience()))).toBe(3);
  expect(eager.times.at(-1)).toBeLessThan(10);
});

test('no pause is longer than the longest, and none is shorter than the server asks for', () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  expect(pauseBeforeNext(1, {})).toBe(50);
  expect(pauseBeforeNext(4, {})).toBe(400);
  expect(pauseBeforeNext(100, {})).toBe(1_000);
  expect(pauseBeforeNext(100, { firstPauseMs: 10, longestPauseMs: 20 })).toBe(10);
  expect(pauseBeforeNext(1, {}, 1_000)).toBe(1_050);
  vi.spyOn(Math, 'random').mockReturnValue(0);
  expect(pauseBeforeNext(9, {}, 1_000)).toBe(1_000);
});

test.each<ErrorCode>(['INVALID_ARGUMENT', 'NOT_FOUND', 'PAYLOAD_TOO_LARGE', 'INTERNAL'])(
  '%s is final',
  async (code) => {
    const { attempt, times } = attempts(failure(code));
    expect(await ended(withRetries(attempt, patience()))).toMatchObject({ code });
    expect(times).toHaveLength(1);
  },
);

test('what is no failure of a call is final', async () => {
  const { attempt, times } = attempts(new TypeError('a bug'));
  expect(await ended(withRetries(attempt, patience()))).toBeInstanceOf(TypeError);
  expect(times).toHaveLength(1);
});

test('a pause that would end too late is not begun', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
  const { attempt, times } = attempts(failure('UNAVAILABLE', { retryAfterMs: 2_000 }));
  const failed = withRetries(attempt, patience({ untilMs: Date.now() + 1_500 }));
  await expect(failed).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(times).toEqual([0]);
});

test('a pause that ends too late all the same is followed by no attempt', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
  const { attempt, times } = attempts(failure('UNAVAILABLE', { retryAfterMs: 1_000 }));
  const failed = withRetries(attempt, patience({ untilMs: Date.now() + 1_500 })).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(0);
  // As a machine that stood still would have it.
  vi.setSystemTime(Date.now() + 10_000);
  await vi.runAllTimersAsync();
  expect(await failed).toMatchObject({ code: 'UNAVAILABLE' });
  expect(times).toEqual([0]);
});

test('as many attempts as wanted are made, and one when retries are not', async () => {
  const errors = Array.from({ length: 9 }, () => failure('UNAVAILABLE'));
  const three = attempts(...errors);
  await ended(withRetries(three.attempt, patience({ retry: { maxAttempts: 3 } })));
  expect(three.times).toHaveLength(3);
  const one = attempts(...errors);
  await ended(withRetries(one.attempt, patience({ retry: false })));
  expect(one.times).toHaveLength(1);
});

test('a signal ends a pause with its reason', async () => {
  const controller = new AbortController();
  const { attempt } = attempts(failure('UNAVAILABLE', { retryAfterMs: 30_000 }));
  const failed = withRetries(attempt, patience({ signal: controller.signal })).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(1_000);
  controller.abort(new Error('enough'));
  expect(await failed).toMatchObject({ message: 'enough' });
});
