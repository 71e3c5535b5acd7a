import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { followHttp, type Heard } from '../../../tests/support/followers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { encodeCursor } from '../src/cursor.js';
import type { SearchEvents } from '../src/search/search-events.js';
import { openFixture, type QueryFixture } from './query-fixture.js';
import { type Doors, openDoors } from './tail-fixture.js';

const events = 20;
let fixture: QueryFixture;
let doors: Doors;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  await fixture.store(...Array.from({ length: events }, (_, index) => ({ position: index + 1 })));
  await fixture.advance(events);
});
afterAll(() => fixture.close());
afterEach(() => doors.stop());

/** Searches that wait until they are let go. */
function heldSearches() {
  const begun: string[] = [];
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const searchEvents: SearchEvents = async (filter, bounds) => {
    begun.push(`${filter.eventId ?? filter.source} after ${bounds.after}`);
    await released;
    return fixture.queries.searchEvents(filter, bounds);
  };
  return { begun, release, searchEvents };
}

test('what nobody waits for any more is not searched', async () => {
  const { begun, release, searchEvents } = heldSearches();
  doors = await openDoors({ ...fixture.queries, searchEvents });
  for (const eventId of ['e1', 'e2', 'e3']) await followHttp(doors.http, { event_id: eventId, from: 'start' });
  await waitUntil('all places are taken', () => begun.length === 3);
  const gone: Heard[] = [];
  for (let n = 1; n <= 5; n++) {
    gone.push(await followHttp(doors.http, { event_id: `gone-${n}`, from: 'start' }));
    // The same filter as somebody who stays, from another place.
    gone.push(await followHttp(doors.http, { source: 'shop', cursor: encodeCursor(BigInt(n)) }));
    // From the same place.
    gone.push(await followHttp(doors.http, { source: 'shop', from: 'start' }));
  }
  const staying = await followHttp(doors.http, { source: 'shop', from: 'start' });
  for (const each of gone) await each.stop();
  await waitUntil('they are gone', () => doors.following.followers() === 4);
  release();
  await waitUntil('who stayed is given all', () => staying.positions.length === events);
  expect(begun).toEqual(['e1 after 0', 'e2 after 0', 'e3 after 0', 'shop after 0']);
});
