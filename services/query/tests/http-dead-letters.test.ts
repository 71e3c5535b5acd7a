import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { serveDeadLetter } from '../src/http/dead-letter.js';
import { serveDeadLetters } from '../src/http/dead-letters.js';
import { serveDiscard } from '../src/http/discard.js';
import { serveRedrive } from '../src/http/redrive.js';
import { createApp } from '../src/http/server.js';
import type { Queries } from '../src/queries.js';
import { openFixture, type QueryFixture, silent } from './query-fixture.js';

let fixture: QueryFixture;
let app: FastifyInstance;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  app = appOf(fixture.queries);
});
afterAll(async () => {
  await app.close();
  await fixture.close();
});
beforeEach(async () => {
  await fixture.database.pool.query('truncate dead_letters, redrives, topic_counters, minute_counters');
  for (const n of [1, 2, 3]) await fixture.deadLetter(n, n === 2 ? 'u' : 't', `e${n}`);
});

function appOf(queries: Queries): FastifyInstance {
  return createApp({
    maxRequestBytes: 1024 ** 2,
    logger: silent,
    serve: (server) => {
      for (const serve of [serveDeadLetters, serveDeadLetter, serveRedrive, serveDiscard]) serve(server, queries);
    },
  });
}

const get = (url: string, of = app) => of.inject({ method: 'GET', url });
const post = (url: string, body: string, of = app) =>
  of.inject({ method: 'POST', url, headers: { 'content-type': 'application/json' }, payload: body });
const idsIn = (body: string) => (JSON.parse(body).dead_letters as { id: string }[]).map(({ id }) => id);
const states = async () =>
  (await fixture.database.pool.query('select state from dead_letters order by position')).rows.map((row) => row.state);

test('a list shows what is known, and null for what is not', async () => {
  await fixture.database.pool.query("update dead_letters set topic = '', event_id = '' where position = 1");
  await fixture.database.pool.query(
    "update dead_letters set state = 'redriven', state_since = now(), redriven_position = 9, redrive_outcome = 4, redrive_of = 1 where position = 2",
  );
  const { count, dead_letters: letters, next_cursor: next } = JSON.parse((await get('/dead-letters?limit=2')).body);
  expect(count).toBe(2);
  expect(letters[0]).toEqual({
    id: '1',
    topic: null,
    event_id: null,
    subject: 's',
    code: '22P02',
    reason: 'test',
    attempts: 1,
    received_at: expect.stringMatching(/Z$/),
    dead_lettered_at: expect.stringMatching(/Z$/),
    state: 'open',
    state_since: null,
    redriven_as: null,
    redrive_outcome: null,
    redrive_of: null,
    body_bytes: 1,
  });
  const redriven = { state: 'redriven', redriven_as: '9', redrive_outcome: 'conflict', redrive_of: '1' };
  expect(letters[1]).toMatchObject({ ...redriven, state_since: expect.stringMatching(/Z$/) });
  expect(idsIn((await get(`/dead-letters?cursor=${next}`)).body)).toEqual(['3']);
});

test.each([
  ['', ['1', '2', '3']],
  ['order=desc', ['3', '2', '1']],
  ['topic=t', ['1', '3']],
  ['event_id=e2', ['2']],
  ['code=22P02', ['1', '2', '3']],
  ['code=22021', []],
  ['state=open', ['1', '2', '3']],
  ['state=discarded', []],
  ['from=2020-01-01', undefined],
  ['from=2020-01-01T00:00:00Z&to=2999-01-01T00:00:00Z', ['1', '2', '3']],
  ['from=2999-01-01T00:00:00Z', []],
  ['to=2020-01-01T00:00:00Z', []],
])('GET /dead-letters?%s', async (query, ids) => {
  const { statusCode, body } = await get(`/dead-letters?${query}`);
  if (ids === undefined)
    expect({ statusCode, field: JSON.parse(body).error.fields[0].field }).toEqual({ statusCode: 400, field: 'from' });
  else
    expect({ statusCode, ids: idsIn(body), next: JSON.parse(body).next_cursor }).toEqual({
      statusCode: 200,
      ids,
      next: null,
    });
});

test.each([
  ['/dead-letters?topic=%00', 'topic'],
  [`/dead-letters?event_id=${'x'.repeat(256)}`, 'event_id'],
  ['/dead-letters?state=lost', 'state'],
  ['/dead-letters?to=yesterday', 'to'],
  ['/dead-letters?order=up', 'order'],
  ['/dead-letters?limit=1001', 'limit'],
  ['/dead-letters?cursor=x', 'cursor'],
  ['/dead-letters?topics=t', 'topics'],
  ['/dead-letters?topic=', 'topic'],
  ['/dead-letters?topic=a&topic=b', 'topic'],
  ['/dead-letters/0', 'id'],
  ['/dead-letters/-1', 'id'],
  ['/dead-letters/01', 'id'],
  ['/dead-letters/1.0', 'id'],
  ['/dead-letters/9223372036854775808', 'id'],
  ['/dead-letters/1?x=1', 'x'],
])('GET %s is refused by the name of its field', async (url, field) => {
  const { statusCode, body } = await get(url);
  expect({ statusCode, fields: JSON.parse(body).error.fields.map((each: { field: string }) => each.field) }).toEqual({
    statusCode: 400,
    fields: [field],
  });
});

test('one dead letter comes with headers, bytes and what can be read of them', async () => {
  const [topic, eventId, source, payload] = ['t', 'e1', 's', 'x{'].map((each) => Buffer.from(each)) as Texts;
  const copy = { topic, eventId, source, payload, timestampUs: 1_700_000_000_000_000n, replyTo: '', ticket: 0n };
  const bytes = Buffer.from(Copy.encode(copy).finish());
  await fixture.database.pool.query(
    `update dead_letters set headers = '{"A":["x","y"]}', body = $1 where position = 1`,
    [bytes],
  );
  const { statusCode, body } = await get('/dead-letters/1');
  expect(statusCode).toBe(200);
  expect(JSON.parse(body)).toMatchObject({
    id: '1',
    headers: { A: ['x', 'y'] },
    body_base64: bytes.toString('base64'),
    copy: { source: 's', timestamp: '2023-11-14T22:13:20.000Z', payload_text: 'x{' },
  });
  expect(JSON.parse((await get('/dead-letters/2')).body)).toMatchObject({ body_base64: 'AA==', copy: null });
  const missing = await get('/dead-letters/9223372036854775807');
  expect([missing.statusCode, JSON.parse(missing.body).error.code]).toEqual([404, 'not_found']);
});

type Texts = [Buffer, Buffer, Buffer, Buffer];

const wrongChoices: readonly (readonly [body: string, ...fields: string[]])[] = [
  ['', 'body'],
  ['[]', 'body'],
  ['null', 'body'],
  ['{"ids":["1"]', 'body'],
  ['{"ids":["1"]} x', 'body'],
  ['{}', 'ids'],
  ['{"dry_run":true}', 'ids'],
  ['{"ids":["1"],"filter":{}}', 'filter'],
  ['{"ids":[]}', 'ids'],
  ['{"ids":"1"}', 'ids'],
  ['{"ids":null}', 'ids'],
  ['{"ids":["1",0,-1,1.5,"x",true,1e3,{},"01"]}', ...[1, 2, 3, 4, 5, 6, 7, 8].map((index) => `ids[${index}]`)],
  ['{"ids":[9223372036854775808]}', 'ids[0]'],
  [JSON.stringify({ ids: Array.from({ length: 1001 }, (_, i) => i + 1) }), 'ids'],
  ['{"ids":["1"],"ids":["2"]}', 'ids'],
  ['{"ids":["1"],"\\u0069ds":["2"]}', 'ids'],
  ['{"id":["1"]}', 'id'],
  ['{"positions":["1"]}', 'positions'],
  ['{"filter":[]}', 'filter'],
  ['{"filter":null}', 'filter'],
  ['{"filter":"t"}', 'filter'],
  ['{"filter":{"topics":"t"}}', 'filter.topics'],
  ['{"filter":{"state":"open"}}', 'filter.state'],
  ['{"filter":{"topic":"t","topic":"u"}}', 'filter.topic'],
  ['{"filter":{"topic":5}}', 'filter.topic'],
  ['{"filter":{"topic":["t"]}}', 'filter.topic'],
  ['{"filter":{"topic":""}}', 'filter.topic'],
  ['{"filter":{"topic":null}}', 'filter.topic'],
  ['{"filter":{"topic":"a\\u0000"}}', 'filter.topic'],
  ['{"filter":{"topic":"\\ud800"}}', 'filter.topic'],
  [`{"filter":{"event_id":"${'x'.repeat(256)}"}}`, 'filter.event_id'],
  ['{"filter":{"from":"soon","to":17}}', 'filter.to', 'filter.from'],
  ['{"filter":{},"limit":0}', 'limit'],
  ['{"filter":{},"limit":1001}', 'limit'],
  ['{"filter":{},"limit":"5"}', 'limit'],
  ['{"filter":{},"limit":1e2}', 'limit'],
  ['{"filter":{},"dry_run":"false"}', 'dry_run'],
  ['{"filter":{},"dry_run":1}', 'dry_run'],
  ['{"filter":{},"dryrun":true}', 'dryrun'],
  [`{"filter":${'['.repeat(5000)}`, 'filter[0][0][0][0][0][0][0]'],
];
const routes = ['/dead-letters/redrive', '/dead-letters/discard'];

test.each(routes.flatMap((route) => wrongChoices.map(([body, ...fields]) => [route, body.slice(0, 60), body, fields])))(
  'POST %s with %s is refused by the names of its fields, and nothing is done',
  async (route, _, body, fields) => {
    const response = await post(String(route), String(body));
    const { error } = JSON.parse(response.body);
    expect([response.statusCode, error.fields.map((each: { field: string }) => each.field)]).toEqual([400, fields]);
    expect(await states()).toEqual(['open', 'open', 'open']);
    expect(await fixture.database.value('select count(*)::int from redrives')).toBe(0);
  },
);

test('a discard by id and by filter, first looked at', async () => {
  const discard = async (body: object) => JSON.parse((await post('/dead-letters/discard', JSON.stringify(body))).body);
  expect(await discard({ filter: { topic: 't' }, dry_run: true })).toEqual({
    matched: 2,
    discarded: 0,
    ids: ['1', '3'],
  });
  expect(await states()).toEqual(['open', 'open', 'open']);
  expect(await discard({ filter: { topic: 't' }, limit: 1 })).toEqual({ matched: 2, discarded: 1, ids: ['1'] });
  expect(await discard({ ids: ['1', 2, '2'] })).toEqual({ matched: 1, discarded: 1, ids: ['2'] });
  expect(await discard({ filter: {} })).toEqual({ matched: 1, discarded: 1, ids: ['3'] });
  expect(await states()).toEqual(['discarded', 'discarded', 'discarded']);
});

test('a redrive says what was sent and what was not', async () => {
  const redrive = async (body: object) => JSON.parse((await post('/dead-letters/redrive', JSON.stringify(body))).body);
  const unsent = { outcome: null, redriven_as: null, error: null };
  expect(await redrive({ filter: { topic: 't' }, dry_run: true })).toEqual({
    matched: 2,
    sent: 0,
    results: [
      { id: '1', ...unsent },
      { id: '3', ...unsent },
    ],
  });
  await fixture.database.pool.query("update dead_letters set state = 'redriven' where position = 2");
  const answer = await redrive({ ids: [1, '2', 77] });
  expect(answer).toMatchObject({ matched: 1, sent: 1 });
  expect(answer.results).toEqual([
    { id: '1', outcome: 'accepted', redriven_as: expect.stringMatching(/^\d+$/), error: null },
    { id: '2', ...unsent, error: { code: 'already_redriven', message: 'was sent through again before' } },
    { id: '77', ...unsent, error: { code: 'not_found', message: 'there is no dead letter of this position' } },
  ]);
});

test('the manners of the other routes: HEAD, 405, other media types', async () => {
  const head = await app.inject({ method: 'HEAD', url: '/dead-letters' });
  expect([head.statusCode, head.body]).toEqual([200, '']);
  for (const [url, allow] of [
    ['/dead-letters', 'GET, HEAD'],
    ['/dead-letters/1', 'GET, HEAD'],
    ['/dead-letters/redrive', 'POST'],
    ['/dead-letters/discard', 'POST'],
  ] as const) {
    const refused = await app.inject({ method: 'DELETE', url });
    expect([url, refused.statusCode, refused.headers.allow]).toEqual([url, 405, allow]);
  }
  expect((await get('/dead-letters/redrive')).statusCode).toBe(405);
  const plain = { method: 'POST', url: '/dead-letters/redrive', headers: { 'content-type': 'text/plain' } } as const;
  expect((await app.inject({ ...plain, payload: '{}' })).statusCode).toBe(415);
  expect((await app.inject({ method: 'POST', url: '/dead-letters/discard' })).statusCode).toBe(415);
});

test('while the broker or the database is away it is 503 with Retry-After', async () => {
  const lastPosition = { ...fixture.queries.lastPosition, read: async () => 'away' as const };
  const broken = async () => {
    throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
  };
  const withoutBroker = appOf({ ...fixture.queries, lastPosition });
  const withoutDatabase = appOf({ ...fixture.queries, database: { ...fixture.queries.database, query: broken } });
  const answers = [
    await post('/dead-letters/redrive', '{"filter":{}}', withoutBroker),
    await post('/dead-letters/redrive', '{"filter":{}}', withoutDatabase),
    await post('/dead-letters/discard', '{"filter":{}}', withoutDatabase),
    await get('/dead-letters', withoutDatabase),
    await get('/dead-letters/1', withoutDatabase),
  ];
  for (const { statusCode, headers, body } of answers) {
    expect({ statusCode, again: headers['retry-after'], code: JSON.parse(body).error.code }).toEqual({
      statusCode: 503,
      again: '1',
      code: 'unavailable',
    });
  }
  // Looking and giving up need no broker.
  expect((await get('/dead-letters', withoutBroker)).statusCode).toBe(200);
  expect((await post('/dead-letters/discard', '{"ids":["1"]}', withoutBroker)).statusCode).toBe(200);
  await Promise.all([withoutBroker.close(), withoutDatabase.close()]);
});
