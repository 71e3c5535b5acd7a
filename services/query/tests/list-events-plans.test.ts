import { ListEventsRequest, Order } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseInstant } from '../src/instant.js';
import { listEvents } from '../src/rpc/list-events.js';
import { searchesEvents } from '../src/search/search-events.js';
import { slotsOf } from '../src/search/slots.js';
import { openFixture, type QueryFixture, someTime } from './query-fixture.js';

let fixture: QueryFixture;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  await fixture.store(
    ...Array.from({ length: 400 }, (_, i) => ({ position: i + 1, topic: `t.${i % 4}`, source: 'shop' })),
  );
});
afterAll(() => fixture.close());

const times = 8;
const requests: readonly Partial<ListEventsRequest>[] = [
  { topic: 't.1' },
  { topic: 't.*', source: 'shop' },
  { source: 'shop' },
  { receivedFrom: parseInstant(someTime) },
  { payload: '{"n": 1}' },
];
const askAll = async () => {
  for (let time = 0; time < times; time++) {
    for (const request of requests) {
      for (const order of [Order.ORDER_ASC, Order.ORDER_DESC]) {
        await listEvents(fixture.queries, ListEventsRequest.fromPartial({ ...request, order, limit: 10 }));
      }
    }
  }
};

test('what a connection is asked again and again is planned once, and goes by an index however few events there are', async () => {
  // Now it is known that the tables are small, and reading one whole costs less.
  await fixture.database.pool.query('analyze');
  await askAll();
  const plans = await fixture.planned.query<{ generic: number; custom: number }>(
    'select generic_plans::integer as generic, custom_plans::integer as custom from pg_prepared_statements',
  );
  expect(plans.length).toBeGreaterThan(requests.length);
  for (const { generic, custom } of plans) {
    expect(generic).toBeGreaterThanOrEqual(times);
    expect(custom).toBe(0);
  }

  await fixture.planned.query('select pg_stat_force_next_flush()');
  const [scans] = await fixture.planned.query<{ whole: number; byIndex: number }>(
    `select sum(seq_scan)::integer as whole, sum(idx_scan)::integer as "byIndex"
     from pg_stat_user_tables where relname ~ '^events_[0-9]+$'`,
  );
  expect(scans?.whole).toBe(0);
  expect(scans?.byIndex).toBeGreaterThan(0);
});

test('with many days nothing is: a plan that is kept would be one for all of them', async () => {
  await fixture.database.pool.query(
    "select ensure_event_partition_v1(d::date) from generate_series(current_date - 75, current_date, interval '1 day') d",
  );
  const kept = () => fixture.planned.query('select from pg_prepared_statements');
  const before = (await kept()).length;
  const { database } = fixture.queries;
  const searchEvents = searchesEvents({ database, planned: fixture.planned, slots: slotsOf(1) });
  const other = ListEventsRequest.fromPartial({ source: 'shop', topic: 't.1' });
  expect((await listEvents({ ...fixture.queries, searchEvents }, other)).events).toHaveLength(100);
  expect(await kept()).toHaveLength(before);
});
