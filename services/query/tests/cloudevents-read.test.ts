import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, it, test } from 'vitest';
import { serveEvent } from '../src/http/event.js';
import { serveEvents } from '../src/http/events.js';
import { createApp } from '../src/http/server.js';
import { openFixture, type QueryFixture, silent } from './query-fixture.js';

let fixture: QueryFixture;
let app: FastifyInstance;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  await fixture.store(
    { position: 1, eventId: 'a', payload: '{"n": 1.100000000000000000000000000001}' },
    { position: 2, eventId: '/s 1', source: '/s', payload: '{"specversion": "1.0", "ext": true, "data": {"n": 2.10}}' },
    { position: 3, eventId: 'gone' },
    { position: 4, eventId: 'last' },
  );
  await fixture.database.pool.query('delete from events where position = 3');
  const serve = (app: FastifyInstance) => {
    serveEvent(app, fixture.queries);
    serveEvents(app, fixture.queries);
  };
  app = createApp({ maxRequestBytes: 100_000, logger: silent, serve });
});
afterAll(() => fixture.close());

async function ask(url: string, accept: string) {
  const response = await app.inject({ url, headers: { accept } });
  return { type: response.headers['content-type'], link: response.headers.link, text: response.body };
}

const single = 'application/cloudevents+json';
const batch = 'application/cloudevents-batch+json';
const ordinary =
  '{"specversion":"1.0","id":"a","source":"shop","type":"orders","time":"2024-05-01T12:00:00Z",' +
  '"sequence":"0000000000000000001","datacontenttype":"application/json","data":{"n": 1.100000000000000000000000000001}}';

test('one event', async () => {
  expect(await ask('/events/orders/a', single)).toEqual({
    type: `${single}; charset=utf-8`,
    link: undefined,
    text: ordinary,
  });
  expect(JSON.parse((await ask('/events/orders/%2Fs%201', single)).text)).toEqual({
    specversion: '1.0',
    id: '1',
    source: '/s',
    type: 'orders',
    time: '2024-05-01T12:00:00Z',
    ext: true,
    data: { n: 2.1 },
  });
});

it.each([
  ['/events/orders/a', 'application/json', '"status":"stored"'],
  ['/events/orders/a', '*/*', '"status":"stored"'],
  ['/events/orders/gone', single, '"status":"expired"'],
])('%s for %s is the usual answer', async (url, accept, part) => {
  const { type, text } = await ask(url, accept);
  expect(type).toContain('application/json');
  expect(text).toContain(part);
});

test('a list, and where it goes on', async () => {
  const { type, text, link } = await ask('/events?topic=orders&limit=2', batch);
  expect(type).toBe(`${batch}; charset=utf-8`);
  expect(text.startsWith(`[${ordinary},`)).toBe(true);
  expect(JSON.parse(text)).toMatchObject([{ id: 'a' }, { id: '1', source: '/s' }]);
  const next = /^<(\?topic=orders&limit=2&cursor=[\w-]+)>; rel="next"$/.exec(link as string)?.[1];
  const rest = await ask(`/events${next}`, batch);
  expect(JSON.parse(rest.text)).toMatchObject([{ id: 'last' }]);
  expect(rest.link).toBeUndefined();
});
