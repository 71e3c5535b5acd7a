import type { EventsieveError } from '@eventsieve/contract/errors';
import { expect, test } from 'vitest';
import { type CallSize, createAdmission, heldBytes } from './admission.js';

const admission = () => createAdmission({ maxWaitingCopies: 100, maxRequestBytesInFlight: 10 * 1024 ** 2 });
const broker = (copies: number, bytes = 0): CallSize => ({ waitForStored: false, copies, bytes });
const stored = (copies: number, bytes = 0): CallSize => ({ waitForStored: true, copies, bytes });

function refusal(attempt: () => unknown): EventsieveError {
  try {
    attempt();
  } catch (error) {
    return error as EventsieveError;
  }
  return expect.unreachable('it was let in');
}

test('copies that wait to be stored are bounded, and those that do not wait for it come in all the same', () => {
  const { admit } = admission();
  admit(stored(60));
  const { code, reason, retryAfterMs } = refusal(() => admit(stored(41)));
  expect({ code, reason }).toEqual({ code: 'RESOURCE_EXHAUSTED', reason: 'TOO_MANY_WAITING' });
  expect(retryAfterMs).toBeGreaterThan(0);
  admit(stored(40));
  admit(broker(1_000));
});

test('calls that wait to be stored take at most half of the memory', () => {
  const { admit } = admission();
  const megabyte = 1024 ** 2;
  for (let i = 0; i < 4; i++) admit(stored(1, megabyte));
  expect(refusal(() => admit(stored(1, megabyte))).reason).toBe('TOO_MANY_IN_FLIGHT');
  for (let i = 0; i < 5; i++) admit(broker(1, megabyte));
  expect(refusal(() => admit(broker(1, megabyte))).reason).toBe('TOO_MANY_IN_FLIGHT');
});

test('many small calls are as large as what is kept of each', () => {
  const { admit } = admission();
  let calls = 0;
  expect(
    refusal(() => {
      for (;;) {
        admit(broker(1, 50));
        calls++;
      }
    }).reason,
  ).toBe('TOO_MANY_IN_FLIGHT');
  expect(calls).toBeGreaterThan(100);
  expect(calls).toBeLessThan(2_000);
});

test('a call that is larger than every limit is let in when nothing else is under way', () => {
  const { admit } = admission();
  const leave = admit(stored(1_000, 100 * 1024 ** 2));
  expect(refusal(() => admit(broker(1))).reason).toBe('TOO_MANY_IN_FLIGHT');
  leave();
  admit(broker(1_000, 100 * 1024 ** 2));
});

test('what all calls may hold is known at any time', () => {
  const { admit, bytesInFlight } = admission();
  const calls = [broker(3, 500), stored(60, 7_000)];
  const [leaveFirst, leaveSecond] = calls.map(admit);
  refusal(() => admit(stored(41)));
  expect(bytesInFlight()).toBe(calls.reduce((sum, call) => sum + heldBytes(call), 0));
  leaveFirst?.();
  expect(bytesInFlight()).toBe(heldBytes(stored(60, 7_000)));
  leaveSecond?.();
  expect(bytesInFlight()).toBe(0);
});

test('what has left makes room, and can leave only once', () => {
  const { admit } = admission();
  const leave = admit(stored(100));
  admit(stored(0));
  leave();
  leave();
  admit(stored(100));
  expect(refusal(() => admit(stored(1))).reason).toBe('TOO_MANY_WAITING');
});
