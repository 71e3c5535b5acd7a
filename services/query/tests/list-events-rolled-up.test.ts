import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { ListEventsRequest, Order } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { followHttp } from '../../../tests/support/followers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { parseInstant } from '../src/instant.js';
import { listEvents } from '../src/rpc/list-events.js';
import { searchesEvents } from '../src/search/search-events.js';
import { slotsOf } from '../src/search/slots.js';
import type { Statements } from '../src/sql/database.js';
import { openFixture, type QueryFixture } from './query-fixture.js';
import { openDoors } from './tail-fixture.js';

let fixture: QueryFixture;
beforeEach(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  await fixture.store(...stored.map((position) => ({ position })));
});
afterEach(() => fixture.close());

const stored = Array.from({ length: 20 }, (_, i) => i + 1);
const anHourAgo = () => new Date(Date.now() - 3_600_000).toISOString();

/** A worker rolls up, as it does each second, between the first and the second look at the chapters. */
function rolledUpBetween(rollUp: () => Promise<unknown>) {
  let looks = 0;
  const between = (database: Statements): Statements => ({
    query: async (text, values, how) => {
      if (text.includes('from chapters') && ++looks === 2) await rollUp();
      return database.query(text, values, how);
    },
  });
  const database = between(fixture.queries.database);
  const searchEvents = searchesEvents({ database, planned: between(fixture.planned), slots: slotsOf(1) });
  return { looks: () => looks, searchEvents };
}

const rollUp = (positions: number) => fixture.database.pool.query('select roll_up_v1($1)', [positions]);

test.each([Order.ORDER_ASC, Order.ORDER_DESC])(
  'a list of a time has each event once while a worker rolls up, in order %i',
  async (order) => {
    await fixture.advance(10, 20);
    await rollUp(1_000);
    const { looks, searchEvents } = rolledUpBetween(async () => {
      await fixture.advance(15, 20);
      await rollUp(1_000);
    });
    const request = {
      payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON,
      limit: 100,
      order,
      receivedFrom: parseInstant(anHourAgo()),
    };
    const { events } = await listEvents({ ...fixture.queries, searchEvents }, ListEventsRequest.fromPartial(request));
    expect(looks()).toBeGreaterThan(1);
    const positions = events.map(({ position }) => Number(position));
    expect(positions).toEqual(order === Order.ORDER_ASC ? stored : stored.toReversed());
  },
);

test('who follows from a time gets each event once while a worker rolls up', async () => {
  await fixture.advance(10, 20);
  await rollUp(1_000);
  await fixture.advance(20, 20);
  const { looks, searchEvents } = rolledUpBetween(() => rollUp(5));
  const doors = await openDoors({ database: fixture.queries.database, searchEvents });
  const heard = await followHttp(doors.http, { from: anHourAgo() });
  await waitUntil('the last has come', () => heard.positions.includes(20));
  await heard.stop();
  await doors.stop();
  expect(looks()).toBeGreaterThan(1);
  expect(heard.positions).toEqual(stored);
});
