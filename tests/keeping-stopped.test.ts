import { WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { expect, onTestFinished, test } from 'vitest';
import type { ServiceProcess } from './support/processes.js';
import { planCopies, sendAll } from './support/publishers.js';
import { startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const longAgo = "now() - interval '5 days'";

test.each([
  {
    what: 'a key',
    from: 'event_keys',
    environment: { RETENTION: '1d', KEY_RETENTION: '1d' },
    age: `delete from events; update event_keys set received_at = ${longAgo}; update key_walk set before = null`,
    others: `insert into event_keys (topic, event_id, position, content, received_at)
      values ('orders', 'old', 9, 0, now()) on conflict do nothing`,
  },
  {
    what: 'a repeat',
    from: 'refused',
    environment: { REFUSED_RETENTION: '1d' },
    age: `insert into refused values (1, ${longAgo}, 'orders', 'old', now(), 'shop', 1, now(), false)`,
    others: `insert into refused values (1, ${longAgo}, 'orders', 'old', now(), 'shop', 1, now(), false) on conflict do nothing`,
  },
  {
    what: 'a dead letter',
    from: 'dead_letters',
    environment: { DEAD_LETTER_RETENTION: '1d' },
    age: `insert into dead_letters (position, received_at, subject, body, code, reason, attempts, state, state_since)
      values (1, ${longAgo}, 's', '', '22P02', 'test', 1, 'discarded', ${longAgo})`,
    others: 'insert into redrives (dead_letter) values (7)',
  },
  {
    what: 'a day',
    from: 'leaving',
    environment: { RETENTION: '1d' },
    age: `select ensure_event_partition_v1(current_date - 5); update events set received_at = current_date - 5`,
    others: 'begin; select pg_advisory_xact_lock(keeping_lock_key()); commit',
  },
])('a worker that stands still while it removes $what holds up nobody', async ({ from, environment, age, others }) => {
  const system = await startSystem({ query: false, environment: { ...environment, RETENTION_INTERVAL: '100ms' } });
  onTestFinished(() => system.stop());
  const worker = system.workers[0] as ServiceProcess;
  const { pool, value } = system.database;
  const plan = planCopies(1, 0, 'any').map((each) => ({ ...each, topic: 'orders', eventId: 'old' }));
  await sendAll(plan, { connections: 1, batchSize: 1, waitFor: WaitFor.WAIT_FOR_STORED, makeClient: system.ingest });
  await waitUntil('it is counted by source', () => value<boolean>('select position > 0 from rollup'));

  const holder = await pool.connect();
  onTestFinished(() => holder.release(true));
  await holder.query('begin; lock table pruned in share mode');
  await pool.query(age);
  const atIt = `select exists (
    select from pg_locks l join pg_stat_activity a using (pid)
    where l.relation = 'pruned'::regclass and not l.granted and a.query like '%delete from ${from}%')`;
  await waitUntil('the worker is in the middle of it', () => value<boolean>(atIt));
  worker.child.kill('SIGSTOP');
  onTestFinished(() => worker.kill('SIGKILL'));
  await holder.query('commit');
  await waitUntil('its statement is over', () =>
    value<boolean>(
      "select not exists (select from pg_stat_activity where datname = current_database() and state = 'active' and pid <> pg_backend_pid())",
    ),
  );
  const other = await pool.connect();
  onTestFinished(() => other.release(true));
  await other.query("set lock_timeout = '2s'");
  await other.query(others);
  expect(await value('select row_count::int from pruned')).toBe(1);
});
