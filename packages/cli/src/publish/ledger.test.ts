import { expect, test } from 'vitest';
import { openLedger } from './ledger.js';
import { beginning } from './piece.js';

const placeAt = (record: number) => ({ offset: record * 10, line: record, record });

test('one goes on after all that is settled without a gap, whatever is settled behind it', () => {
  const ledger = openLedger(beginning);
  const [first, second, third] = [1, 2, 3].map((record) => ledger.open(placeAt(record)));
  second?.();
  expect(ledger.place()).toBe(beginning);
  first?.();
  expect(ledger.place()).toEqual(placeAt(2));
  expect(ledger.isSettled()).toBe(false);
  third?.();
  expect(ledger.place()).toEqual(placeAt(3));
  expect(ledger.isSettled()).toBe(true);
});

test('what waits behind a slow record is bounded, and released with it or at an end', async () => {
  for (const end of ['settle', 'release'] as const) {
    const ledger = openLedger(beginning);
    const first = ledger.open(placeAt(1));
    let opened = 1;
    for (; ledger.room() === undefined && opened < 1_000_000; opened++) ledger.open(placeAt(opened + 1))();
    expect(opened).toBeLessThan(1_000_000);
    const room = ledger.room();
    if (end === 'settle') first();
    else ledger.release();
    await room;
    expect(ledger.room()).toBeUndefined();
    expect(ledger.place()).toEqual(end === 'settle' ? placeAt(opened) : beginning);
  }
});
