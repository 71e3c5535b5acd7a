import { afterAll, beforeAll, expect, test } from 'vitest';
import { followGrpc, followHttp, type Heard } from '../../../tests/support/followers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import type { Statements } from '../src/sql/database.js';
import { openFixture, type QueryFixture } from './query-fixture.js';
import { openDoors } from './tail-fixture.js';

let fixture: QueryFixture;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
});
afterAll(() => fixture.close());

/** Asks of Postgres for new events are looks at the watermark, and reads. */
function counting(database: Statements) {
  const asked = { looks: 0, reads: 0 };
  const counted: Statements = {
    query: (text, values) => {
      if (/from events/.test(text)) asked.reads++;
      else asked.looks++;
      return database.query(text, values);
    },
  };
  return { asked, counted };
}

const rounds = 40;

/** How often Postgres is asked while so many follow and events come in. */
async function costOf(followers: number, begin: number) {
  const { asked, counted } = counting(fixture.queries.database);
  let searches = 0;
  const doors = await openDoors({
    database: counted as typeof fixture.queries.database,
    searchEvents: (...given) => {
      searches++;
      return fixture.queries.searchEvents(...given);
    },
  });
  const payload = '{"even": true}';
  const everybody: Heard[] = [];
  for (let i = 0; i < followers; i++) {
    if (i % 4 === 3) everybody.push(await followGrpc(doors.client(), i % 8 === 3 ? { payload } : {}));
    else everybody.push(await followHttp(doors.http, i % 4 === 2 ? { payload } : {}));
  }
  const atStart = { ...asked };
  const begunAtMs = performance.now();
  let last = begin;
  for (let round = 0; round < rounds; round++) {
    const copies = Array.from({ length: 5 }, () => ({ position: ++last, payload: `{"even": ${last % 2 === 0}}` }));
    await fixture.store(...copies);
    await fixture.advance(last);
    await waitUntil('all have it', () => everybody.every((each) => Number(each.positions.at(-1)) >= last - 1), {
      everyMs: 5,
    });
  }
  const seconds = (performance.now() - begunAtMs) / 1000;
  const cost = {
    looksPerSecond: (asked.looks - atStart.looks) / seconds,
    reads: asked.reads - atStart.reads,
    searches,
  };
  for (const each of everybody) {
    const wanted = each.positions.some((position) => position % 2 === 1) ? rounds * 5 : (rounds * 5) / 2;
    // The round may have ended one event before the last.
    await waitUntil('the last has come', () => each.positions.length >= wanted);
    expect(each.positions).toHaveLength(wanted);
  }
  await Promise.all(everybody.map((each) => each.stop()));
  await waitUntil('nobody follows', () => doors.following.followers() === 0);
  const afterwards = asked.looks;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(asked.looks - afterwards).toBeLessThanOrEqual(1);
  await doors.stop();
  return { cost, last };
}

test('two hundred who follow cost Postgres what one costs, and nobody costs nothing', async () => {
  const one = await costOf(1, 0);
  const many = await costOf(200, one.last);
  console.info('one', one.cost, 'two hundred', many.cost);
  expect(many.cost.reads).toBeLessThanOrEqual(rounds * 1.5);
  expect(one.cost.reads).toBeGreaterThanOrEqual(rounds);
  expect(many.cost.looksPerSecond).toBeLessThanOrEqual(one.cost.looksPerSecond * 1.2 + 5);
  expect([one.cost.searches, many.cost.searches]).toEqual([0, 0]);
}, 120_000);
