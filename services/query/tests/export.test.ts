import type { OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { encodeCursor } from '../src/cursor.js';
import type { RunningHttpServer } from '../src/http/server.js';
import type { Queries } from '../src/queries.js';
import { askExport, serveExports } from './export-fixture.js';
import { openFixture, type QueryFixture } from './query-fixture.js';

let fixture: QueryFixture;
let server: RunningHttpServer;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  await fixture.store(
    {
      position: 1,
      eventId: 'a',
      payload: '{"n": 1.10, "big": 123456789012345678901234567890, "text": "a, b: \\"c\\" \\n é"}',
    },
    { position: 2, eventId: 'b', topic: 'billing', timestamp: '2024-05-01T12:00:00.000001Z', source: 'my "shop"' },
    { position: 3, eventId: '/s 1', source: '/s', payload: '{"specversion": "1.0", "data": 1e5}' },
  );
  server = await serverOf();
});
afterAll(async () => {
  await server.stop();
  await fixture.close();
});

type Served = Parameters<typeof serveExports> extends [unknown, ...infer Rest] ? Rest : never;
const serverOf = (...given: Served) => serveExports(fixture, ...given);
const ask = (query = '', headers: OutgoingHttpHeaders = {}, from = server) => askExport(from, query, headers);

async function linesOf(query: string): Promise<string[]> {
  const response = await ask(query);
  const text = (await buffer(response)).toString();
  expect({ status: response.statusCode, end: text.slice(-1) }).toEqual({ status: 200, end: text === '' ? '' : '\n' });
  return text.split('\n').slice(0, -1);
}
const idsOf = async (query: string) => (await linesOf(query)).map((line) => JSON.parse(line).event_id);

test('a line is exactly what can be published, oldest first', async () => {
  const response = await ask();
  expect(response.headers['content-type']).toBe('application/x-ndjson');
  expect(await linesOf('')).toEqual([
    '{"topic":"orders","event_id":"a","timestamp":"2024-05-01T12:00:00Z","source":"shop",' +
      '"payload":{"n":1.10,"big":123456789012345678901234567890,"text":"a, b: \\"c\\" \\n é"}}',
    '{"topic":"billing","event_id":"b","timestamp":"2024-05-01T12:00:00.000001Z","source":"my \\"shop\\"","payload":{}}',
    '{"topic":"orders","event_id":"/s 1","timestamp":"2024-05-01T12:00:00Z","source":"/s",' +
      '"payload":{"data":100000,"specversion":"1.0"}}',
  ]);
  await buffer(response);
});

test('meta adds where and when it was stored', async () => {
  const [, line = ''] = await linesOf('?meta=true');
  expect(JSON.parse(line)).toEqual({
    id: '2',
    topic: 'billing',
    event_id: 'b',
    timestamp: '2024-05-01T12:00:00.000001Z',
    source: 'my "shop"',
    received_at: expect.stringMatching(/^\d{4}-/),
    payload: {},
  });
});

test('as CloudEvents', async () => {
  const [first = '', , third = ''] = await linesOf('?format=cloudevents');
  expect(first).toContain('"data":{"n":1.10,"big":123456789012345678901234567890');
  expect(JSON.parse(first)).toMatchObject({ id: 'a', source: 'shop', type: 'orders', sequence: '0000000000000000001' });
  expect(JSON.parse(third)).toEqual({
    specversion: '1.0',
    id: '1',
    source: '/s',
    type: 'orders',
    time: '2024-05-01T12:00:00Z',
    data: 100_000,
  });
});

test.each([
  ['?topic=orders', ['a', '/s 1']],
  ['?topic_exact=billing', ['b']],
  ['?source=/s', ['/s 1']],
  ['?event_id=b', ['b']],
  ['?from=2024-05-01T12:00:00.000001Z', ['b']],
  [`?payload=${encodeURIComponent('{"n":1.1}')}`, ['a']],
  ['?topic=nothing', []],
  ['?cursor=1', ['b', '/s 1']],
  [`?cursor=${encodeCursor(2n)}`, ['/s 1']],
  ['?cursor=3', []],
])('%s gives %j', async (query, ids) => {
  expect(await idsOf(query)).toEqual(ids);
});

test.each([
  ['?format=csv', 'format'],
  ['?meta=yes', 'meta'],
  ['?meta=true&format=cloudevents', 'meta'],
  ['?cursor=nope', 'cursor'],
  ['?limit=5', 'limit'],
  ['?payload=[]', 'payload'],
])('%s is refused by its name', async (query, field) => {
  const response = await ask(query);
  const { error } = JSON.parse((await buffer(response)).toString());
  expect({ status: response.statusCode, fields: error.fields }).toMatchObject({ status: 400, fields: [{ field }] });
});

test.each<[string, string, OutgoingHttpHeaders, OutgoingHttpHeaders]>([
  [
    'a client that takes it',
    '',
    { 'accept-encoding': 'br, gzip;q=0.5' },
    { 'content-encoding': 'gzip', vary: 'Accept-Encoding' },
  ],
  [
    'a file',
    '?format=gzip',
    { 'accept-encoding': 'gzip' },
    { 'content-type': 'application/gzip', 'content-disposition': 'attachment; filename="events.ndjson.gz"' },
  ],
])('as gzip for %s', async (_, query, headers, expected) => {
  const response = await ask(query, headers);
  const bytes = await buffer(response);
  expect(response.headers).toMatchObject(expected);
  if (query !== '') expect(response.headers['content-encoding']).toBeUndefined();
  expect(gunzipSync(bytes).toString().split('\n')).toHaveLength(4);
});

test.each(['gzip;q=0', 'br', 'identity'])('not as gzip for %s', async (encoding) => {
  const response = await ask('', { 'accept-encoding': encoding });
  expect(response.headers['content-encoding']).toBeUndefined();
  expect((await buffer(response)).toString().split('\n')).toHaveLength(4);
});

it('is for pages of other origins as every answer is', async () => {
  const origin = 'https://a.example';
  const open = await serverOf({}, {}, { corsOrigins: [origin] });
  const response = await ask('', { origin }, open);
  await buffer(response);
  await open.stop();
  expect(response.headers).toMatchObject({ vary: 'Origin, Accept-Encoding', 'access-control-allow-origin': origin });
});

it('gives its place free however it ends', async () => {
  let away = true;
  const searchEvents: Queries['searchEvents'] = (filter, bounds) =>
    away ? Promise.reject(new Error('Connection terminated')) : fixture.queries.searchEvents(filter, bounds);
  const single = await serverOf({ searchEvents }, { maxExports: 1 });
  const statusOf = async () => {
    const response = await ask('', {}, single);
    await buffer(response);
    return response.statusCode;
  };
  expect(await statusOf()).toBe(503);
  await waitUntil('the failed one is over', async () => (await statusOf()) === 503);
  away = false;
  await waitUntil('there is room for one', async () => (await statusOf()) === 200);
  await waitUntil('there is room for another', async () => (await statusOf()) === 200);
  await single.stop();
});

it('takes no place before it is its turn to be answered, and what is asked for behind one never does', async () => {
  let begun = 0;
  let letGo: (() => void) | undefined;
  const single = await serverOf(
    {
      searchEvents(filter, bounds) {
        begun += 1;
        return fixture.queries.searchEvents(filter, bounds);
      },
    },
    { maxExports: 1 },
    {
      serve(app) {
        app.get('/hold', async () => {
          await new Promise<void>((resolve) => {
            letGo = resolve;
          });
          return {};
        });
      },
    },
  );
  const { port } = new URL(single.address);
  const pipelining = connect(Number(port), '127.0.0.1');
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;
  pipelining.write(get('/hold') + get('/events/export').repeat(2) + get('/hold'));
  await waitUntil('the first is under way', () => letGo);
  const response = await ask('', {}, single);
  await buffer(response);
  expect([response.statusCode, begun]).toEqual([200, 1]);
  letGo?.();
  const answers = String(await buffer(pipelining));
  expect([answers.match(/HTTP\/1\.1 200 /g)?.length, begun]).toEqual([2, 2]);
  await single.stop();
});

it('cannot be asked for its HEAD', async () => {
  const response = await fetch(`${server.address}/events/export`, { method: 'HEAD' });
  expect({ status: response.status, allow: response.headers.get('allow') }).toEqual({ status: 405, allow: 'GET' });
});

it('ends at what was stored when it began, and goes on with searches that were stopped', async () => {
  let searches = 0;
  const { searchEvents } = fixture.queries;
  const slow = await serverOf({
    async searchEvents(filter, bounds) {
      searches += 1;
      if (searches === 2) await fixture.store({ position: 4, topic: 'late', eventId: 'late' });
      // Each is stopped after one event.
      const found = await searchEvents(filter, { ...bounds, limit: 1 });
      return { ...found, stopped: !found.end };
    },
  });
  const text = (await buffer(await ask('', {}, slow))).toString();
  await slow.stop();
  expect(
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).event_id),
  ).toEqual(['a', 'b', '/s 1']);
  expect(searches).toBeGreaterThanOrEqual(3);
  expect(await idsOf('?topic=late')).toEqual(['late']);
});

it('is an error before it has begun, and a broken connection after', async () => {
  const { searchEvents } = fixture.queries;
  let fail = 1;
  let searches = 0;
  const broken = await serverOf({
    async searchEvents(filter, bounds) {
      searches += 1;
      if (searches === fail) throw new Error('Connection terminated unexpectedly');
      return { ...(await searchEvents(filter, { ...bounds, limit: 1 })), end: false };
    },
  });
  const refused = await ask('', {}, broken);
  expect(refused.statusCode).toBe(503);
  await buffer(refused);
  for (const headers of [{}, { 'accept-encoding': 'gzip' }]) {
    searches = 0;
    fail = 3;
    const response = await ask('', headers, broken);
    expect(response.statusCode).toBe(200);
    await expect(buffer(response)).rejects.toThrow(/aborted|reset/i);
  }
  // Without chunks only the way in which the connection ends tells.
  searches = 0;
  const code = await new Promise<string | undefined>((resolve) => {
    const { port } = new URL(broken.address);
    const socket = connect(Number(port), '127.0.0.1', () => socket.write('GET /events/export HTTP/1.0\r\n\r\n'));
    socket.resume();
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    socket.on('close', () => resolve(undefined));
  });
  expect(code).toBe('ECONNRESET');
  await broken.stop();
});
