import { expect, test } from 'vitest';
import { slotsOf } from './slots.js';

const soon = () => performance.now() + 60_000;

test('a slot is waited for, in turn', async () => {
  const slots = slotsOf(1);
  expect(await slots.take(soon())).toBe(true);
  const order: string[] = [];
  const first = slots.take(soon()).then((got) => order.push(`first ${got}`));
  const second = slots.take(soon()).then((got) => order.push(`second ${got}`));
  slots.give();
  await first;
  expect(order).toEqual(['first true']);
  slots.give();
  await second;
  expect(order).toEqual(['first true', 'second true']);
});

test('who waited in vain takes none, and the next one gets it', async () => {
  const slots = slotsOf(1);
  await slots.take(soon());
  expect(await slots.take(performance.now() + 5)).toBe(false);
  const next = slots.take(soon());
  slots.give();
  expect(await next).toBe(true);
  slots.give();
  expect(await slots.take(performance.now())).toBe(true);
});

test('there is always one', async () => {
  expect(await slotsOf(0).take(soon())).toBe(true);
});
