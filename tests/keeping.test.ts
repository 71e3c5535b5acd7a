import { Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import {
  QueryServiceClient,
  TailEventsRequest,
  type TailEventsResponse,
  TailStart,
} from '@eventsieve/contract/gen/eventsieve/v1/query';
import { workerMetrics } from '@eventsieve/contract/metric-names';
import { credentials } from '@grpc/grpc-js';
import { beforeEach, expect, test } from 'vitest';
import { drained } from './support/exactness.js';
import { scrape } from './support/exposition.js';
import { eventOf, planCopies, publish, sendAll } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
beforeEach(async () => {
  system = await startSystem({
    workers: 2,
    environment: { RETENTION: '1d', REFUSED_RETENTION: '2d', SERIES_RETENTION: '2d', RETENTION_INTERVAL: '100ms' },
  });
  return () => system.stop();
});

const daysBack = 5;
const old = () => new Date(Date.now() - daysBack * 86_400_000).toISOString().slice(0, 10);
const oldPartition = () => `events_${old().replaceAll('-', '')}`;
const hasOldDay = () => system.database.value<boolean>('select to_regclass($1) is not null', [oldPartition()]);
const value = <T>(text: string) => system.database.value<T>(text);

/** The last position, once it is counted by source. */
async function settledPosition(): Promise<number> {
  await drained(system);
  const counted = 'select r.position >= w.position from rollup r, watermark w';
  await waitUntil('it is counted by source', () => value<boolean>(counted));
  return value<number>('select position::int from rollup');
}

/** Sets what is stored up to this position back to a day long past, in one transaction. */
async function age(upTo: number): Promise<void> {
  const back = `- interval '${daysBack} days'`;
  await system.database.pool.query(`
    begin;
    select ensure_event_partition_v1('${old()}'::date);
    update events set received_at = '${old()}'::timestamptz + make_interval(secs => position / 1000.0)
    where position <= ${upTo};
    update event_keys k set received_at = e.received_at from events e where e.position = k.position and k.position <= ${upTo};
    update refused set received_at = received_at ${back} where position <= ${upTo};
    update tallies set received_at = received_at ${back} where position <= ${upTo};
    update minute_counters set minute = minute ${back};
    commit`);
}

async function reconciled(): Promise<{ ok: boolean; differences: unknown[] }> {
  const response = await fetch(`${system.http}/stats/reconcile`);
  return (await response.json()) as { ok: boolean; differences: unknown[] };
}

/** Audits until it is told to end; everything that was ever found. */
function auditAgainAndAgain() {
  let over = false;
  let asked = 0;
  const found: unknown[] = [];
  const running = (async () => {
    while (!over) {
      found.push(...(await reconciled()).differences);
      asked++;
    }
  })();
  return {
    asked: () => asked,
    async end(): Promise<unknown[]> {
      over = true;
      await running;
      return found;
    },
  };
}

function followTopic(topic: string) {
  const client = new QueryServiceClient(system.queryAddress, credentials.createInsecure());
  const call = client.tailEvents(
    TailEventsRequest.fromPartial({ topicExact: topic, start: TailStart.TAIL_START_BEGINNING }),
  );
  const positions: bigint[] = [];
  call.on('data', ({ event }: TailEventsResponse) => event && positions.push(event.position));
  call.on('error', () => undefined);
  return {
    positions,
    end() {
      call.cancel();
      client.close();
    },
  };
}

test('a day is dropped under load: the audit is clean all the while, followers and repeats notice nothing', async () => {
  const makeClient = () => system.ingest();
  const past = planCopies(3_000, 0.3, 'past');
  await sendAll(past, { connections: 2, batchSize: 50, waitFor: WaitFor.WAIT_FOR_STORED, makeClient });
  const upTo = await settledPosition();
  const pastEvents = await value<number>('select count(*)::int from events');
  const follower = followTopic('fresh');
  const freshPlan = planCopies(8_000, 0.3, 'fresh').map((each) => ({ ...each, topic: 'fresh' }));
  const load = sendAll([...freshPlan, ...past], { connections: 2, batchSize: 20, makeClient, retry: true });
  const audits = auditAgainAndAgain();
  await waitUntil('some of the load is there', () =>
    value<boolean>(`select max(position) > ${upTo + 300} from events`),
  );
  await age(upTo);
  await waitUntil('the day is dropped', async () => !(await hasOldDay()));
  await waitUntil('old repeats are gone', async () => {
    const old = "received_at < now() - interval '2 days'";
    return value<boolean>(
      `select not exists (select from refused where ${old} union all select from tallies where ${old})`,
    );
  });
  await load;
  await drained(system);
  const asked = audits.asked();
  await waitUntil('an audit after it', () => audits.asked() > asked + 2);
  expect(await audits.end()).toEqual([]);

  const first = past[0] as (typeof past)[0];
  const answer = await fetch(`${system.http}/events/${first.topic}/${first.eventId}`);
  expect(await answer.json()).toMatchObject({ status: 'expired' });
  const client = makeClient();
  const copies = [eventOf(first), eventOf({ ...first, payload: '{"other":1}' })];
  const { results } = await publish(client, copies, WaitFor.WAIT_FOR_STORED);
  client.close();
  expect(results.map(({ outcome }) => outcome)).toEqual([Outcome.OUTCOME_DUPLICATE, Outcome.OUTCOME_CONFLICT]);
  const { rows } = await system.database.pool.query<{ position: string }>(
    "select position from event_keys where topic = 'fresh' order by position",
  );
  await waitUntil('the follower has all of them', () => follower.positions.length >= rows.length);
  expect(follower.positions.map(String)).toEqual(rows.map(({ position }) => position));
  follower.end();

  const pages = await Promise.all(system.workers.map(scrape));
  const removed = (kind: string) =>
    pages.reduce((sum, page) => sum + (page.value(workerMetrics.removed.name, { kind }) ?? 0), 0);
  expect(removed('events')).toBe(pastEvents);
  expect(removed('refused') + removed('tallies')).toBeGreaterThan(0);
  expect(removed('minute_counters')).toBeGreaterThan(0);
  expect(pages[0]?.value(workerMetrics.oldestEvent.name)).toBeLessThan(86_400);
});

test('workers killed while they drop a day leave it to the next one, and the audit clean', async () => {
  const makeClient = () => system.ingest();
  const waitFor = WaitFor.WAIT_FOR_STORED;
  await sendAll(planCopies(2_000, 0.3, 'past'), { connections: 2, batchSize: 50, waitFor, makeClient });
  const upTo = await settledPosition();
  await sendAll(planCopies(50, 0, 'fresh'), { connections: 1, batchSize: 50, waitFor, makeClient });
  const reader = await system.database.pool.connect();
  // It has a snapshot, for which the day is to be there until it ends.
  await reader.query('begin isolation level repeatable read');
  await reader.query('select count(*) from events');
  await age(upTo);
  await waitUntil('the day is on its way', () =>
    value<boolean>('select exists (select from pg_inherits where inhdetachpending)'),
  );
  expect((await reconciled()).differences).toEqual([]);
  await Promise.all(system.workers.map((worker) => worker.kill('SIGKILL')));
  expect((await reconciled()).differences).toEqual([]);
  system.workers = [await system.startWorker()];
  await sendAll(planCopies(500, 0.3, 'more'), { connections: 1, batchSize: 50, waitFor, makeClient });
  expect(await hasOldDay()).toBe(true);
  await reader.query('commit');
  reader.release();
  await waitUntil('the day is dropped', async () => !(await hasOldDay()));
  await drained(system);
  expect(await reconciled()).toMatchObject({ ok: true, broker_checked: true });
});

test('the last day of an idle system goes, once the broker says that there is no more', async () => {
  const makeClient = () => system.ingest();
  const waitFor = WaitFor.WAIT_FOR_STORED;
  await sendAll(planCopies(100, 0.3, 'past'), { connections: 1, batchSize: 50, waitFor, makeClient });
  await age(await settledPosition());
  await waitUntil('the day is dropped', async () => !(await hasOldDay()));
  expect(await value<number>('select count(*)::int from events')).toBe(0);
  await waitUntil('its old repeats are gone', () =>
    value<boolean>("select not exists (select from refused where received_at < now() - interval '2 days')"),
  );
  expect(await reconciled()).toMatchObject({ ok: true, broker_checked: true });
});
