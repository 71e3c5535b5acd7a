import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { EventStatus } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { beforeEach, expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import type { Queries } from '../src/queries.js';
import { getEvent } from '../src/rpc/get-event.js';
import { makeStream, openFixture, type QueryFixture } from './query-fixture.js';

let fixture: QueryFixture;
beforeEach(async () => {
  fixture = await openFixture();
  return () => fixture.close();
});

const get = (eventId: string, { topic = 'orders', ...changes }: Partial<Queries> & { topic?: string } = {}) =>
  getEvent({ ...fixture.queries, ...changes }, { topic, eventId, payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON });
// For what is bound to happen, however slow the machine is.
const patient = { lookupPatienceMs: 20_000 };
const neverSeen = { code: 'NOT_FOUND', reason: 'NEVER_SEEN' };
const { EVENT_STATUS_PENDING: pending, EVENT_STATUS_STORED: stored } = EventStatus;

test('a stored event comes with everything, whatever the watermark says', async () => {
  await fixture.openEpoch();
  await fixture.store({ position: 1, eventId: 'e', payload: '{"n": 1.10}' });
  expect(await get('e')).toMatchObject({
    status: stored,
    event: { position: 1n, event: { topic: 'orders', eventId: 'e', source: 'shop', payloadJson: '{"n": 1.10}' } },
  });
});

test('a key whose event is gone has expired, and keeps its position and time', async () => {
  await fixture.openEpoch();
  await fixture.store({ position: 1, eventId: 'e' });
  await fixture.database.pool.query('delete from events');
  const { status, event } = await get('e');
  expect(status).toBe(EventStatus.EVENT_STATUS_EXPIRED);
  expect(event).toMatchObject({ position: 1n, event: { eventId: 'e', source: '', timestamp: undefined } });
  expect(event?.event?.payloadJson).toBeUndefined();
});

test('a dead letter is known by its id, until a copy of it is stored', async () => {
  await fixture.openEpoch();
  await fixture.deadLetter(1, 'orders', 'e');
  expect(await get('e')).toMatchObject({ status: EventStatus.EVENT_STATUS_DEAD_LETTERED });
  await fixture.store({ position: 2, eventId: 'e' });
  expect(await get('e')).toMatchObject({ status: stored });
});

test('nothing was ever seen where nothing was ever sent', async () => {
  await expect(get('e')).rejects.toMatchObject(neverSeen);
  await fixture.jsm.streams.delete(fixture.names.stream);
  await expect(get('e')).rejects.toMatchObject(neverSeen);
});

test('an id is pending while the broker holds what nobody has stored', async () => {
  await fixture.send(1);
  // No epoch is open: nobody can say what the message is.
  expect(await get('e')).toMatchObject({ status: pending, event: undefined });
  await fixture.openEpoch();
  await fixture.send(1);
  await fixture.store({ position: 2, eventId: 'other' });
  await fixture.advance(0, 2);
  expect(await get('e')).toMatchObject({ status: pending });
});

test('an id was never seen once the watermark has passed what the broker held', async () => {
  await fixture.openEpoch();
  await fixture.send(3);
  await fixture.store({ position: 1 }, { position: 2 }, { position: 3 });
  await fixture.advance(3);
  await expect(get('e')).rejects.toMatchObject(neverSeen);
});

test('a question waits a moment for the watermark, and sees an event that is stored meanwhile', async () => {
  await fixture.openEpoch();
  await fixture.send(2);
  const [never, found] = [get('never', patient).catch((error: unknown) => error), get('e2', patient)];
  await fixture.store({ position: 1 }, { position: 2 });
  await fixture.advance(2);
  expect(await found).toMatchObject({ status: stored });
  expect(await never).toMatchObject(neverSeen);
});

test('messages that come after the question do not keep it from being answered', async () => {
  await fixture.openEpoch();
  await fixture.send(1);
  const { lastPosition } = fixture.queries;
  const busy = {
    ...lastPosition,
    async read() {
      const answer = await lastPosition.read();
      await fixture.send(1);
      return answer;
    },
  };
  const asked = get('e', { ...patient, lastPosition: busy }).catch((error: unknown) => error);
  await waitUntil('the question to have been asked', async () => {
    const { state } = await fixture.jsm.streams.info(fixture.names.stream);
    return state.last_seq > 1;
  });
  await fixture.store({ position: 1 });
  await fixture.advance(1, 2);
  expect(await asked).toMatchObject(neverSeen);
});

test('after the broker went back the watermark says nothing of what waits in it', async () => {
  await fixture.openEpoch();
  await fixture.send(2);
  await fixture.store({ position: 1 }, { position: 2 });
  // The watermark is ahead of what the stream, put back, now says of itself.
  await fixture.advance(5);
  expect(await get('e')).toMatchObject({ status: pending });
});

test('with a stream made anew an id is pending until its epoch is open', async () => {
  await fixture.openEpoch();
  await fixture.send(2);
  await fixture.store({ position: 1 }, { position: 2 });
  await fixture.advance(2);
  await fixture.jsm.streams.delete(fixture.names.stream);
  expect(await get('e')).toMatchObject({ status: pending });
  await makeStream(fixture.jsm, fixture.names);
  await fixture.send(2);
  expect(await get('e')).toMatchObject({ status: pending });
  await fixture.openEpoch();
  await fixture.store({ position: 3 }, { position: 4 });
  await fixture.advance(4);
  await expect(get('e')).rejects.toMatchObject(neverSeen);
});

test('with NATS away an unknown id is pending at once, and a stored one is shown', async () => {
  await fixture.openEpoch();
  await fixture.store({ position: 1, eventId: 'e' });
  await fixture.link.close();
  await waitUntil('the link to be down', () => fixture.link.connection() === undefined);
  const startedAt = Date.now();
  expect(await get('unknown', patient)).toMatchObject({ status: pending });
  expect(Date.now() - startedAt).toBeLessThan(patient.lookupPatienceMs / 2);
  expect(await get('e')).toMatchObject({ status: stored });
});

test('a topic or an id that cannot be one is refused by its name', async () => {
  for (const [field, topic, eventId] of [
    ['topic', '', 'e'],
    ['event_id', 'orders', ''],
    ['event_id', 'orders', 'a\0'],
    ['topic', 'x'.repeat(256), 'e'],
  ] as const) {
    await expect(get(eventId, { topic })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', fields: [{ field }] });
  }
});
