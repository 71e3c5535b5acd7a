import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { beforeEach, expect, test } from 'vitest';
import { auditedTotals } from '../../../tests/support/exactness.js';
import { dead, openRedriveFixture, type RedriveFixture } from './redrive-fixture.js';

const { OUTCOME_STORED, OUTCOME_UNSPECIFIED } = Outcome;

let fixture: RedriveFixture;
beforeEach(async () => {
  fixture = await openRedriveFixture();
  return () => fixture.database.drop();
});

const erase = (state: string) =>
  fixture.database.pool.query(
    `update dead_letters set code = 'ERASED', body = '', state = '${state}', state_since = now()`,
  );

test('a message whose dead letter was erased before it came is no copy: nothing comes back', async () => {
  const letter = dead(1);
  await fixture.keep(letter);
  const first = await fixture.redriveAt(2, letter);
  const second = await fixture.redriveAt(3, letter);
  await erase('discarded');
  expect(await fixture.storeAgain(first)).toBe(OUTCOME_UNSPECIFIED);
  await fixture.keep(second);
  await fixture.advance(3);
  const after = await fixture.everything();
  expect(await fixture.storeAgain(first)).toBe(OUTCOME_UNSPECIFIED);
  await fixture.keep(second);
  expect(await fixture.everything()).toEqual(after);
  expect(await fixture.letterAt(1)).toMatchObject({ state: 'discarded', redriven_position: null });
  expect(await auditedTotals(fixture.database)).toMatchObject({ unique: 0, duplicates: 0, dead: 1 });
  expect(await fixture.redrivenCounts()).toEqual([0, 0]);
  expect(await fixture.underWay()).toBe(0);
});

test('a redelivery of the message that redrove a dead letter is known after that was erased', async () => {
  const letter = dead(1);
  await fixture.keep(letter);
  const redrive = await fixture.redriveAt(2, letter);
  expect(await fixture.storeAgain(redrive)).toBe(OUTCOME_STORED);
  await erase('redriven');
  const after = await fixture.everything();
  expect(await fixture.storeAgain(redrive)).toBe(OUTCOME_STORED);
  await fixture.advance(2);
  expect(await fixture.storeAgain(redrive)).toBe(OUTCOME_STORED);
  expect(await fixture.everything()).toEqual(after);
});
