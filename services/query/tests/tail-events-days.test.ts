import { afterAll, beforeAll, expect, test } from 'vitest';
import { followHttp } from '../../../tests/support/followers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { type NewRows, readNewRows } from '../src/follow/tail-statements.js';
import type { Statements } from '../src/sql/database.js';
import { openFixture, type QueryFixture } from './query-fixture.js';
import { openDoors } from './tail-fixture.js';

let fixture: QueryFixture;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  await fixture.database.pool.query(`select ensure_event_partition_v1(d::date)
    from generate_series(current_date - 120, current_date + 2, interval '1 day') d`);
});
afterAll(() => fixture.close());

const dayMs = 86_400_000;
const daysAgo = (days: number) => new Date(Date.now() - days * dayMs).toISOString();
const nowUs = () => BigInt(Date.now()) * 1_000n;

/** Which partitions Postgres plans for, in each read of events. */
function planning(database: Statements) {
  const reads: number[] = [];
  const statements: Statements = {
    async query(text, values) {
      if (/from events/.test(text)) {
        const plan = await database.query<{ 'QUERY PLAN': string }>(`explain ${text}`, values);
        const names = plan.flatMap((line) => line['QUERY PLAN'].match(/ on (events_\w+)/)?.[1] ?? []);
        reads.push(new Set(names).size);
      }
      return database.query(text, values);
    },
  };
  return { reads, statements };
}

test('whatever days events are of, and whatever lies between them, all that is new is read, in order', async () => {
  const kinds = ['today', 'today', 'today', 'long ago', 'repeat', 'tally', 'dead letter', 'nothing'] as const;
  const last = 400;
  const events: number[] = [];
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  await fixture.store({ position: 1, eventId: 'first', receivedAt: daysAgo(0) });
  events.push(1);
  for (let position = 2; position <= last; position++) {
    // At first nothing but events of these days and repeats, then everything.
    const kind = kinds[random(position < 150 ? 3 : kinds.length)];
    if (kind === 'tally') await fixture.storeTally(position, 'orders', ['first']);
    else if (kind === 'dead letter') await fixture.deadLetter(position, 'orders', `dead${position}`);
    else if (kind === 'repeat') await fixture.store({ position, eventId: 'first', receivedAt: daysAgo(0) });
    else if (kind !== 'nothing') {
      const payload = JSON.stringify({ text: 'x'.repeat(random(200)) });
      await fixture.store({ position, payload, receivedAt: daysAgo(kind === 'today' ? 0 : 5 + random(100)) });
      events.push(position);
    }
  }
  const reads: NewRows[] = [];
  for (let round = 0; round < 200; round++) {
    const after = random(last);
    const upTo = after + 1 + random(last - after);
    const question = {
      after: BigInt(after),
      upTo: BigInt(upTo),
      aboutUs: nowUs() - BigInt(random(3) * 40 * dayMs) * 1_000n,
      payloads: round % 2 === 0 ? [] : ['{}'],
      limit: 1 + random(100),
      maxBytes: 1 + random(5_000),
    };
    const read = await readNewRows(fixture.queries.database, question);
    const wanted = events.filter((position) => position > after && position <= Number(read.reached));
    expect(read.rows.map(({ position }) => Number(position))).toEqual(wanted);
    expect(read.reached === BigInt(upTo) || read.full).toBe(true);
    expect(read.reached).toBeGreaterThan(BigInt(after));
    reads.push(read);
  }
  expect(new Set(reads.map(({ full }) => full)).size).toBe(2);
});

test('of many days those around the newest event are planned for, and all of them once when it was of another', async () => {
  const { reads, statements } = planning(fixture.queries.database);
  const doors = await openDoors({ ...fixture.queries, database: statements as typeof fixture.queries.database });
  await fixture.advance(1_000);
  const heard = await followHttp(doors.http);
  async function next(position: number, receivedAt: string): Promise<number[]> {
    reads.length = 0;
    await fixture.store({ position, receivedAt });
    await fixture.advance(position);
    await waitUntil('it is given', () => heard.positions.at(-1) === position);
    return [...reads];
  }
  // The first are near the clock of the service.
  expect(await next(1_001, daysAgo(0))).toEqual([3]);
  await fixture.store({ position: 1_002, eventId: 'e1001', receivedAt: daysAgo(0) });
  expect(await next(1_003, daysAgo(0))).toEqual([3]);
  const [near, all] = await next(1_004, daysAgo(60));
  expect([near, Number(all) > 100]).toEqual([3, true]);
  expect(await next(1_005, daysAgo(60))).toEqual([3]);
  await fixture.storeTally(1_006, 'orders', ['e1001']);
  await fixture.deadLetter(1_007, 'orders', 'dead');
  await fixture.database.pool.query('insert into replays (position, received_at, original) values (1008, now(), 1001)');
  expect(await next(1_009, daysAgo(60))).toEqual([3]);
  expect(heard.positions).toEqual([1_001, 1_003, 1_004, 1_005, 1_009]);
  await heard.stop();
  await doors.stop();
});
