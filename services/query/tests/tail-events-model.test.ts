import { randomInt } from 'node:crypto';
import { TailStart } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { expect, test } from 'vitest';
import { type Random, randomOf } from '../../../tests/faults/random.js';
import { followGrpc, followHttp, type Heard } from '../../../tests/support/followers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { decodeCursor } from '../src/cursor.js';
import { openFixture, type QueryFixture, type StoredCopy } from './query-fixture.js';
import { type Doors, openDoors } from './tail-fixture.js';

// A failure prints it, and TAIL_SEED plays it again.
const seed = process.env.TAIL_SEED ?? String(randomInt(2 ** 31));
const positions = 1_500;

const wishes: readonly { readonly query: Record<string, string>; readonly condition: string }[] = [
  { query: {}, condition: 'true' },
  { query: { topic: 'b' }, condition: `topic = 'b'` },
  { query: { topic: 'a.*' }, condition: `topic in ('a.x', 'a.y')` },
  { query: { source: 's1' }, condition: `source = 's1'` },
  { query: { payload: '{"k": 1}' }, condition: `payload @> '{"k": 1}'` },
  { query: { payload: '{"k": 2}', topic: 'a.>' }, condition: `payload @> '{"k": 2}' and topic in ('a.x', 'a.y')` },
  { query: { event_id: 'e77' }, condition: `event_id = 'e77'` },
  { query: { payload: '{"k": 99}' }, condition: 'false' },
];

/** Somebody who breaks off now and then, and goes on with the last cursor. */
interface Restless {
  readonly given: number[];
  begun: number;
  cursor: string | undefined;
  readonly condition: string;
  readonly running: Promise<void>;
}

/** What came in each position: of some, nothing that is stored. Payloads are large enough for a small buffer to overflow. */
function planned(random: Random): Map<number, StoredCopy> {
  const plan = new Map<number, StoredCopy>();
  for (let position = 1; position <= positions; position++) {
    if (random.chance(0.2)) continue;
    plan.set(position, {
      position,
      topic: random.pick(['a.x', 'a.y', 'b', 'c']),
      eventId: `e${position}`,
      source: random.pick(['s1', 's2']),
      payload: JSON.stringify({ k: random.whole(1, 4), text: 'x'.repeat(random.whole(0, 400)) }),
    });
  }
  return plan;
}

/** Stores batches as several workers do, each whenever it comes to it. The watermark is below all that is not stored. */
async function storeAll(fixture: QueryFixture, plan: Map<number, StoredCopy>, random: Random): Promise<void> {
  const open = new Set<number>();
  let taken = 0;
  const worker = async () => {
    while (taken < positions) {
      const [first, last] = [taken + 1, Math.min(positions, taken + random.whole(1, 20))];
      taken = last;
      open.add(first);
      const copies = [...plan.values()].filter(({ position }) => position >= first && position <= last);
      await new Promise((resolve) => setTimeout(resolve, random.chance(0.1) ? 300 : random.whole(0, 60)));
      if (copies.length > 0) await fixture.store(...copies);
      open.delete(first);
      await fixture.advance(Math.min(taken + 1, ...open) - 1, taken);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  await fixture.advance(positions);
}

function followRestlessly(
  doors: Doors,
  { query, condition }: (typeof wishes)[number],
  door: 'http' | 'grpc',
  random: Random,
  until: () => boolean,
): Restless {
  const begin = (cursor: string | undefined): Promise<Heard> => {
    if (door === 'http') return followHttp(doors.http, { ...query, ...(cursor ? { cursor } : { from: 'start' }) });
    const { event_id: eventId = '', ...rest } = query;
    const start = cursor === undefined ? { start: TailStart.TAIL_START_BEGINNING } : { cursor };
    return followGrpc(doors.client(), { ...rest, eventId, ...start });
  };
  const self: Omit<Restless, 'running'> = { given: [], begun: 0, cursor: undefined, condition };
  const running = (async () => {
    do {
      const heard = await begin(self.cursor);
      self.begun++;
      const stayUntilMs = performance.now() + random.whole(1, 400);
      const atEnd = () => decodeCursor(heard.cursor) >= BigInt(positions);
      await waitUntil('it has had enough', () => performance.now() > stayUntilMs || atEnd(), { everyMs: 5 });
      await heard.stop();
      if (heard.ended instanceof Error && !/cancel/i.test(heard.ended.message)) throw heard.ended;
      self.given.push(...heard.positions);
      self.cursor = heard.cursor;
    } while (!until() || decodeCursor(self.cursor) < BigInt(positions));
  })();
  return Object.assign(self, { running });
}

test('whatever is stored in whatever order, each is given what its filter matches, once and in order, however often it breaks off', async () => {
  process.stdout.write(`followers of the model test come and go with TAIL_SEED=${seed}\n`);
  const random = randomOf(seed);
  const fixture = await openFixture();
  await fixture.openEpoch();
  // Small, so that followers fall behind it and catch up all the time.
  const doors = await openDoors(fixture.queries, { bufferBytes: 30_000, heartbeatMs: 100 });
  let stored = false;
  const followers = wishes.flatMap((wish, index) =>
    (['http', 'grpc'] as const).map((door) =>
      followRestlessly(doors, wish, door, random.fork(`${door} ${index}`), () => stored),
    ),
  );
  await waitUntil('all follow', () => followers.every(({ begun }) => begun > 0));
  await storeAll(fixture, planned(random.fork('plan')), random.fork('workers'));
  stored = true;
  await Promise.all(followers.map(({ running }) => running));
  for (const { given, condition } of followers) {
    const { rows } = await fixture.database.pool.query<{ position: number }>(
      `select position::int from events where ${condition} order by position`,
    );
    expect(given).toEqual(rows.map(({ position }) => position));
  }
  // They did break off, and there was something to be given.
  expect(followers.every(({ begun }) => begun > 2)).toBe(true);
  expect(followers.filter(({ given }) => given.length > 100).length).toBeGreaterThanOrEqual(10);
  await doors.stop();
  await fixture.close();
}, 120_000);
