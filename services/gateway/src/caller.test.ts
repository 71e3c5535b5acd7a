import { setTimeout as delay } from 'node:timers/promises';
import type { EventsieveError } from '@eventsieve/contract/errors';
import { afterEach, expect, test, vi } from 'vitest';
import { callerOf, whileCallerWaits } from './caller.js';

const never = new Promise<never>(() => undefined);
const stays = () => false;
const refusal = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable('it was answered'),
    ({ code, reason }: EventsieveError) => ({ code, reason }),
  );

afterEach(() => vi.useRealTimers());

test('the answer leaves a moment before the deadline, and a short deadline keeps most of its time', () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const now = Date.now();
  expect(callerOf({ deadlineMs: now + 10_000, cancelled: stays }).untilMs).toBe(now + 9_950);
  const { untilMs } = callerOf({ deadlineMs: now + 100, cancelled: stays });
  expect(untilMs).toBeGreaterThanOrEqual(now + 80);
  expect(untilMs).toBeLessThan(now + 100);
  expect(callerOf({ deadlineMs: Number.POSITIVE_INFINITY, cancelled: stays }).untilMs).toBe(Number.POSITIVE_INFINITY);
});

test('work that ends in time is the answer, with its result or its error', async () => {
  const caller = { untilMs: Date.now() + 10_000, cancelled: stays };
  expect(await whileCallerWaits(delay(5, 'done'), caller)).toBe('done');
  await expect(whileCallerWaits(Promise.reject(new Error('failed')), caller)).rejects.toThrow('failed');
});

test('work that goes on beyond the deadline has an unknown fate', async () => {
  const failed = refusal(whileCallerWaits(never, { untilMs: Date.now() + 30, cancelled: stays }));
  expect(await failed).toEqual({ code: 'DEADLINE_EXCEEDED', reason: 'FATE_UNKNOWN' });
});

test('nothing is waited for once the caller is gone', async () => {
  let gone = false;
  const failed = refusal(whileCallerWaits(never, { untilMs: Number.POSITIVE_INFINITY, cancelled: () => gone }));
  gone = true;
  expect(await failed).toEqual({ code: 'UNAVAILABLE', reason: 'CALLER_GONE' });
});
