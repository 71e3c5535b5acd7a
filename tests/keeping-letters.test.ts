import { beforeEach, expect, test } from 'vitest';
import { dayMs, daysAgo, type KeepingFixture, openKeepingFixture } from './support/keeping-fixture.js';

let fixture: KeepingFixture;
beforeEach(async () => {
  fixture = await openKeepingFixture();
  return () => fixture.close();
});

const retention = { deadLettersMs: 3 * dayMs };
const states = async () =>
  (await fixture.sql('select position::int, state from dead_letters order by position')).rows.map(
    ({ position, state }) => `${position} ${state}`,
  );

/** 1 open, 2 discarded long ago, 3 discarded lately, 4 redriven long ago as 5. */
async function keepOneOfEach(): Promise<void> {
  for (const position of [1, 2, 3, 4]) await fixture.deadLetter(position, 'orders', `d${position}`);
  await fixture.sql('update dead_letters set received_at = $1', [daysAgo(9)]);
  await fixture.sql(
    "update dead_letters set state = 'discarded', state_since = now() - interval '5 days' where position = 2",
  );
  await fixture.sql(
    "update dead_letters set state = 'discarded', state_since = now() - interval '1 day' where position = 3",
  );
  await fixture.sql('insert into redrives (dead_letter, position) values (4, 5)');
  await fixture.sql(
    `select store_redrive_v1(1, 0::smallint, 1, 4, 5, now(), 'orders', 'd4', now(), 'shop', '{}', null)`,
  );
  await fixture.sql("update dead_letters set state_since = now() - interval '5 days' where position = 4");
  await fixture.settle(5);
}

test('dead letters go so long after they were discarded or redriven; open ones stay', async () => {
  await keepOneOfEach();
  expect(await fixture.keeping(retention).toTheEnd()).toEqual({ dead_letters: 2 });
  expect(await states()).toEqual(['1 open', '3 discarded']);
});

test('dead letters stay while their redrive is under way', async () => {
  await keepOneOfEach();
  await fixture.sql('insert into redrives (dead_letter) values (2)');
  expect(await fixture.keeping(retention).toTheEnd()).toEqual({ dead_letters: 1 });
  expect(await states()).toEqual(['1 open', '2 discarded', '3 discarded']);
});

test.each([
  ['was never placed', 'null', true],
  ['the watermark has passed', '5', true],
  ['still waits in the stream', '6', false],
])('dead letters whose redrive of yesterday %s stay for it or not', async (_, position, go) => {
  await keepOneOfEach();
  await fixture.sql(
    `insert into redrives (dead_letter, position, sent_at) values (2, ${position}, now() - interval '25 hours')`,
  );
  await fixture.keeping(retention).toTheEnd();
  expect(await states()).toEqual(go ? ['1 open', '3 discarded'] : ['1 open', '2 discarded', '3 discarded']);
});

test('dead letters stay until the message that redrove them is settled', async () => {
  await keepOneOfEach();
  await fixture.sql('update dead_letters set redriven_position = 6 where position = 4');
  const keeper = fixture.keeping(retention);
  await keeper.step();
  expect(await states()).toEqual(['1 open', '3 discarded', '4 redriven']);
});

test('dead letters that went do not come back by a redrive that was thought lost, nor count again', async () => {
  await keepOneOfEach();
  await fixture.keeping(retention).toTheEnd();
  const counted = (await fixture.sql('select * from topic_counters')).rows;
  const redrive = (of: number, position: number, at = `'${daysAgo(0)}'::timestamptz`) =>
    fixture.sql(
      `select store_redrive_v1(1, 0::smallint, 9, ${of}, ${position}, ${at}, 'orders', 'd${of}', now(), 's', '{}', null)`,
    );
  const at = `'${daysAgo(0)}'::timestamptz`;
  for (let again = 0; again < 2; again++) {
    await redrive(2, 6, at);
    await redrive(4, 7, at);
    await redrive(4, 5, "(select received_at from event_keys where event_id = 'd4')");
    await fixture.settle(7);
  }
  expect(await fixture.count("event_keys where event_id = 'd2'")).toBe(0);
  expect(await fixture.count('replays')).toBe(2);
  expect((await fixture.sql('select * from topic_counters')).rows).toEqual(counted);
  expect(await fixture.differences()).toEqual([]);
  // The same of those whose dead letters were never removed: the database is one that was put back.
  await redrive(9, 8);
  expect(await fixture.count("event_keys where event_id = 'd9'")).toBe(1);
});

test.each(['watermark', 'rollup'])('dead letters stay above the %s', async (table) => {
  await keepOneOfEach();
  await fixture.sql(`update ${table} set position = 1`);
  expect(await fixture.keeping(retention).toTheEnd()).toEqual({});
});

test('dead letters do not hide that another one is lost', async () => {
  await keepOneOfEach();
  await fixture.keeping(retention).toTheEnd();
  await fixture.sql('delete from dead_letters where position = 3');
  expect(await fixture.differences()).toEqual(['dead_lettered', 'lost_positions']);
});
