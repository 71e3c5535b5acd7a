import type { FastifyInstance } from 'fastify';
import { beforeEach, expect, test } from 'vitest';
import { serveErase } from '../src/http/erase.js';
import { serveEvent } from '../src/http/event.js';
import { createApp } from '../src/http/server.js';
import { openFixture, type QueryFixture, silent } from './query-fixture.js';

let fixture: QueryFixture;
let app: FastifyInstance;
beforeEach(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  app = createApp({
    maxRequestBytes: 1024 ** 2,
    logger: silent,
    corsOrigins: '*',
    serve: (server) => {
      serveEvent(server, fixture.queries);
      serveErase(server, fixture.queries);
    },
  });
  await fixture.send(3);
  await fixture.store({ position: 1 }, { position: 2, eventId: 'ü/1' }, { position: 3, topic: 'a/b', eventId: '1' });
  await fixture.advance(3);
  await fixture.jsm.streams.purge(fixture.names.stream);
  await fixture.database.pool.query('select roll_up_v1(100)');
  return async () => {
    await app.close();
    await fixture.close();
  };
});

const erase = async (url: string) => {
  const { statusCode, body, headers } = await app.inject({ method: 'DELETE', url });
  return { status: statusCode, body: JSON.parse(body), retryAfter: headers['retry-after'] };
};
const kept = () => fixture.database.value<number>('select count(*)::int from events');

test('one event is erased by its encoded topic and id, and is expired then', async () => {
  expect(await erase(`/events/orders/${encodeURIComponent('ü/1')}`)).toMatchObject({
    status: 200,
    body: { erased: 1, more: false },
  });
  const { body } = await app.inject({ method: 'GET', url: `/events/orders/${encodeURIComponent('ü/1')}` });
  expect(JSON.parse(body)).toMatchObject({ status: 'expired', event_id: 'ü/1' });
  expect(await kept()).toBe(2);
});

test('a topic is erased as a whole', async () => {
  expect(await erase('/events/orders')).toMatchObject({ status: 200, body: { erased: 2, more: false } });
  expect(await erase(`/events/${encodeURIComponent('a/b')}`)).toMatchObject({ body: { erased: 1, more: false } });
  expect(await kept()).toBe(0);
});

test('a path whose id is empty does not stand for the topic', async () => {
  expect(await erase('/events/orders/')).toMatchObject({
    status: 400,
    body: { error: { fields: [{ field: 'event_id', message: 'must not be empty' }] } },
  });
  expect(await kept()).toBe(3);
});

test.each([
  ['/events/orders/nobody', 404, 'not_found'],
  ['/events/nothing', 404, 'not_found'],
  ['/events/orders/e1?force=true', 400, 'invalid_argument'],
  ['/events/orders?event_id=e1', 400, 'invalid_argument'],
  ['/events/a%00b', 400, 'invalid_argument'],
])('%s is %d, and nothing is erased', async (url, status, code) => {
  expect(await erase(url)).toMatchObject({ status, body: { error: { code } } });
  expect(await kept()).toBe(3);
});

test('what is not settled is 503 with Retry-After', async () => {
  await fixture.database.pool.query('update rollup set position = 2');
  expect(await erase('/events/orders')).toMatchObject({ status: 200, body: { erased: 2 } });
  expect(await erase(`/events/${encodeURIComponent('a/b')}/1`)).toMatchObject({
    status: 503,
    body: { error: { code: 'unavailable' } },
    retryAfter: '1',
  });
});

test('a topic can only be erased here: another method is refused with that one', async () => {
  const { statusCode, headers } = await app.inject({ method: 'GET', url: '/events/orders' });
  expect({ statusCode, allow: headers.allow }).toEqual({ statusCode: 405, allow: 'DELETE' });
});
