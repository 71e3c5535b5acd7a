import { randomInt } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';
import { auditedTotals } from '../../../tests/support/exactness.js';
import { ensurePartitions } from '../src/partitions.js';
import { beginUs, Player } from './model-player.js';
import { Schedule } from './model-schedule.js';
import { type Story, story } from './model-steps.js';
import type { ModelStore } from './model-store.js';

// MODEL_RUNS=5000 is the long form; MODEL_SEED and MODEL_PATH, as a failure prints them, play it again.
const runs = Number(process.env.MODEL_RUNS ?? 80);
const seed = Number(process.env.MODEL_SEED ?? randomInt(2 ** 31));
const path = process.env.MODEL_PATH;
const limitMs = Number(process.env.MODEL_LIMIT_MS ?? 60_000 + runs * 1_000);

let database: TestDatabase;
let schedule: Schedule;

beforeAll(async () => {
  database = await createDatabase();
  await ensurePartitions(database.pool, [beginUs, beginUs + 86_400_000_000n]);
  schedule = new Schedule(database.url, database.pool);
});
afterAll(async () => {
  await schedule.end();
  await database.drop();
});

const empty = [
  ...['event_keys', 'events', 'refused', 'tallies', 'dead_letters', 'replays', 'redrives', 'epochs'],
  ...['topic_counters', 'minute_counters'],
].map((table) => `delete from ${table}`);

test(
  'whatever runs at once, comes again, breaks off or goes back: Postgres holds and answers what some order of the calls gives',
  async () => {
    process.stdout.write(`the model test plays ${runs} stories with MODEL_SEED=${seed}\n`);
    const done = new Map<string, number>();
    let stories = 0;
    let playing = Promise.resolve();
    async function play(told: Story): Promise<void> {
      stories++;
      await database.pool.query(`${empty.join(';')}; update watermark set position = 0, known = 0`);
      const player = new Player(database.pool, schedule);
      const store = await player.play(told);
      for (const [key, n] of player.done) done.set(key, (done.get(key) ?? 0) + n);
      await expectAudited(store);
    }
    const property = fc.asyncProperty(story, (told) => {
      playing = play(told);
      return playing;
    });
    const details = await fc.check(property, {
      seed,
      numRuns: runs,
      interruptAfterTimeLimit: limitMs,
      ...(path === undefined ? {} : { path }),
    });
    // Out of time, the check does not wait for the story that it has begun.
    if (!details.failed) await playing;
    await playing.catch(() => undefined);
    const sums = [...done].map(([key, n]) => `${key} ${n}`).join(', ');
    process.stdout.write(`${stories} stories: ${sums}; ${schedule.deadlocks} deadlocks\n`);
    if (details.failed) {
      const again = `MODEL_SEED=${details.seed} MODEL_PATH=${details.counterexamplePath}`;
      const why = (details.errorInstance as Error | null)?.message ?? 'it took too long';
      throw new Error(`story ${details.numRuns} fails (${again}), made smaller ${details.numShrinks} times:\n${why}`);
    }
  },
  limitMs + 60_000,
);

/** What is left at the end, by the eyes of the other tests. */
async function expectAudited({ rows }: ModelStore): Promise<void> {
  const all = [...rows.values()];
  const dead = all.flatMap((row) => (row.kind === 'dead' ? [row] : []));
  const unique = all.filter(({ kind }) => kind === 'stored').length;
  const totals = await auditedTotals(database);
  expect(totals).toMatchObject({ unique, dead: dead.length });
  // Every copy that a publisher sent and that is settled, once, whatever has become of it since.
  const received = all
    .filter(({ kind, message }) => kind !== 'replay' && !message.redrive)
    .map(({ kind, message: { content } }) => {
      return kind === 'tally' && content.kind === 'tally'
        ? content.groups.flatMap(({ eventIds }) => eventIds).length
        : 1;
    })
    .reduce((a, b) => a + b, 0);
  // A dead letter counts as one message; redriven as a tally, it is the copies that it counts.
  const more = all
    .filter(({ kind, message }) => kind === 'tally' && message.redrive)
    .map(({ message: { content } }) =>
      content.kind === 'tally' ? content.groups.flatMap((g) => g.eventIds).length - 1 : 0,
    )
    .reduce((a, b) => a + b, 0);
  expect(received + more + totals.redriven).toBe(totals.unique + totals.duplicates + totals.dead);
  // What a replay names has a row of the same message, or is the message that has done what this one was sent for.
  const strayed = await database.value<number>(`
    select count(*)::int from replays p where not exists (
      select from (
        select position, received_at from event_keys union all select position, received_at from refused
        union all select position, received_at from tallies union all select position, received_at from dead_letters
        union all select position, received_at from replays
      ) o where o.position = p.original and o.received_at = p.received_at
    ) and not exists (select from dead_letters d where d.redriven_position = p.original)`);
  expect(strayed).toBe(0);
}
