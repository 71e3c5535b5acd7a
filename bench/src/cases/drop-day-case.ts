import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../bench-context.js';
import { problemsOf } from '../world/stored.js';
import type { System } from '../world/system.js';
import { loadAndSettle, newHistory, resultOf } from './measure-load.js';

const rows = 1_000_000;
const plan = { door: 'grpc', stored: true, payload: 'json', callsPerSecond: 50 } as const;
/** The drop takes a few seconds, and all of it is to be seen. */
const leastSeconds = 20;
const droppedWithinMs = 300_000;
const environment = { RETENTION: '1d', RETENTION_INTERVAL: '200ms' };

/** A day of a million events is dropped while 5,000 events a second are stored: what that does to who stores them. */
export async function runDropDayCase(bench: Bench): Promise<void> {
  await bench.withSystem(async (system) => {
    const history = newHistory();
    const keeper = await system.database.pool.connect();
    // Whoever removes rows holds this lock: nothing goes before all is ready.
    await keeper.query('select pg_advisory_lock(keeping_lock_key())');
    bench.settings.say('filling a day with a million events');
    await loadAndSettle(bench, system, history, { door: 'grpc', payload: 'json', seconds: 900, maxCopies: rows });
    const removed = history.events;
    await setBack(system);

    const seconds = Math.max(bench.seconds, leastSeconds);
    const measure = () => loadAndSettle(bench, system, history, { ...plan, seconds });
    await measure();
    const before = await measure();
    await keeper.query('select pg_advisory_unlock(keeping_lock_key())');
    keeper.release();
    const begunAtMs = performance.now();
    const dropping = untilDropped(system).then(() => (performance.now() - begunAtMs) / 1000);
    const during = await measure();
    const dropSeconds = await dropping;
    const after = await measure();
    const problems = await problemsOf(system, history.copies, history.events, removed);
    bench.add({
      ...resultOf('drop-day', during),
      exact: problems.length === 0,
      problems,
      more: {
        rows: removed,
        dropSeconds: Math.round(dropSeconds * 10) / 10,
        ...figures('Before', before),
        ...figures('After', after),
      },
    });
  }, environment);
}

const figures = (when: string, { latency }: { latency: { p50Ms: number; p99Ms: number } }) => ({
  [`p50Ms${when}`]: Math.round(latency.p50Ms * 10) / 10,
  [`p99Ms${when}`]: Math.round(latency.p99Ms * 10) / 10,
});

/** Makes all that is stored five days old, and leaves the tables as if they had always been so. */
async function setBack({ database }: System): Promise<void> {
  const { pool } = database;
  const counted = 'select r.position >= w.position as done from rollup r, watermark w';
  while ((await pool.query<{ done: boolean }>(counted)).rows[0]?.done !== true) await delay(100);
  const { rows: days } = await pool.query<{ name: string; past: string }>(`
    select relname as name, (to_date(substr(relname, 8), 'YYYYMMDD') - 5)::text as past
    from pg_inherits join pg_class on oid = inhrelid where inhparent = 'events'::regclass`);
  for (const { name, past } of days) {
    // One text, and so one connection.
    await pool.query(`
      begin;
      select ensure_event_partition_v1('${past}'::date);
      insert into events select position, received_at - interval '5 days', topic, event_id, "timestamp", source, payload
      from ${name};
      truncate ${name};
      commit`);
  }
  await pool.query(`update event_keys set received_at = received_at - interval '5 days'`);
  await pool.query('vacuum full event_keys');
  await pool.query('vacuum analyze');
  await pool.query('checkpoint');
}

async function untilDropped({ database }: System): Promise<void> {
  const giveUpAt = performance.now() + droppedWithinMs;
  const left = `
    select exists (select from pg_class where relkind = 'r' and relname ~ '^events_\\d{8}$'
      and to_date(substr(relname, 8), 'YYYYMMDD') < current_date - 2) as left`;
  while ((await database.pool.query<{ left: boolean }>(left)).rows[0]?.left !== false) {
    if (performance.now() > giveUpAt) throw new Error('the day was not dropped in time');
    await delay(50);
  }
}
