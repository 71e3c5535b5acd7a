import { request as ask, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as readJson } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { invalid } from '@eventsieve/contract/errors';
import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { connectGateway, type GatewayClient } from '../src/gateway-client.js';
import { servePublish } from '../src/http/publish.js';
import { createApp } from '../src/http/server.js';
import { type FakeGateway, outcomes, startFakeGateway } from './http-fixture.js';
import { silent } from './query-fixture.js';

let fake: FakeGateway;
let gateway: GatewayClient;
let app: FastifyInstance;
beforeAll(async () => {
  fake = await startFakeGateway();
  gateway = connectGateway(fake.address, 64 * 1024 ** 2);
  const limits = { maxEventsPerRequest: 5, maxRequestBytes: 100_000, storedTimeoutMs: 1_000 };
  const serve = (app: FastifyInstance) => servePublish(app, { gateway, duplicateStatus: 200, ...limits });
  app = createApp({ maxRequestBytes: 100_000, logger: silent, serve });
  await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await app.close();
  gateway.close();
  await fake.stop();
});
beforeEach(() => {
  fake.answer((request) => outcomes(request));
  fake.calls.length = 0;
});

// By hand: fetch would join a header that is given twice, and inject has no headers as they came.
async function post(payload: string | Buffer | undefined, headers: OutgoingHttpHeaders, query = '') {
  const { port } = app.server.address() as AddressInfo;
  return new Promise<{ status: number | undefined; body: Answer }>((resolve, reject) => {
    const request = ask({ port, method: 'POST', path: `/publish${query}`, headers }, (response) => {
      readJson(response).then((body) => resolve({ status: response.statusCode, body: body as Answer }), reject);
    });
    request.on('error', reject);
    request.end(payload);
  });
}

interface Answer {
  readonly received: number;
  readonly results: readonly object[];
  readonly error: { readonly message: string; readonly fields: readonly Record<string, string>[] };
}

const structured = { 'content-type': 'application/cloudevents+json; charset=UTF-8' };
const batched = { 'content-type': 'application/cloudevents-batch+json' };
const one = { specversion: '1.0', id: '1', source: '/shop', type: 'orders', time: '2024-05-01T12:00:00Z' };
const sent = () => fake.calls.flatMap(({ request }) => request.events);

describe('structured mode', () => {
  it('is one event, with the status and the answer of one', async () => {
    const { status, body } = await post(JSON.stringify({ ...one, data: { n: 1 } }), structured);
    expect({ status, results: body.results }).toEqual({
      status: 201,
      results: [{ topic: 'orders', event_id: '/shop 1', outcome: 'stored', position: '1' }],
    });
    expect(sent()).toMatchObject([
      { topic: 'orders', eventId: '/shop 1', source: '/shop', payloadJson: '{"specversion":"1.0","data":{"n":1}}' },
    ]);
  });

  it('may be gzip, and waits as any other', async () => {
    const zipped = { ...structured, 'content-encoding': 'gzip' };
    fake.answer((request) => outcomes(request, Outcome.OUTCOME_ACCEPTED));
    expect((await post(gzipSync(JSON.stringify(one)), zipped, '?wait=broker')).status).toBe(202);
  });

  it.each([
    [Outcome.OUTCOME_DUPLICATE, 200],
    [Outcome.OUTCOME_CONFLICT, 409],
    [Outcome.OUTCOME_DEAD_LETTERED, 422],
  ])('of outcome %i is %i', async (outcome, status) => {
    fake.answer((request) => outcomes(request, outcome));
    expect((await post(JSON.stringify(one), structured)).status).toBe(status);
  });

  it('is told of the attribute at fault, whoever finds it', async () => {
    const { status, body } = await post(JSON.stringify({ ...one, id: 5, specversion: '0.3' }), structured);
    expect(status).toBe(400);
    expect(body.error.fields).toEqual([
      { index: 0, field: 'specversion', message: 'must be "1.0"' },
      { index: 0, field: 'id', message: 'must be a string, not a number' },
    ]);
    expect(sent()).toEqual([]);
    fake.answer(() => invalid([{ index: 0, field: 'payload.data.a', message: 'is a duplicate key' }]));
    const refused = await post(JSON.stringify(one), structured);
    expect(refused.body.error.fields).toEqual([{ index: 0, field: 'data.a', message: 'is a duplicate key' }]);
  });
});

describe('batched mode', () => {
  it('is a batch', async () => {
    const { status, body } = await post(JSON.stringify([one, { ...one, id: '2' }]), batched);
    expect({ status, received: body.received }).toEqual({ status: 200, received: 2 });
    expect(sent().map(({ eventId }) => eventId)).toEqual(['/shop 1', '/shop 2']);
  });

  it('has a verdict for each with allow_partial, in the names of attributes', async () => {
    const rejected = { code: 'INVALID_ARGUMENT', field: 'payload.data.x', message: 'is wrong' };
    fake.answer((request) => {
      const response = outcomes(request, Outcome.OUTCOME_STORED, Outcome.OUTCOME_REJECTED);
      return {
        ...response,
        results: response.results.map((each, at) => (at === 1 ? { ...each, error: rejected } : each)),
      };
    });
    const { body } = await post(
      JSON.stringify([one, { ...one, payload: [] }, { ...one, id: '3' }]),
      batched,
      '?allow_partial=true',
    );
    expect(body.results).toMatchObject([
      { outcome: 'stored' },
      { outcome: 'rejected', error: { field: 'payload' } },
      { outcome: 'rejected', error: { field: 'data.x' } },
    ]);
  });

  it('has a bound', async () => {
    expect((await post(JSON.stringify(Array(6).fill(one)), batched)).status).toBe(413);
  });
});

describe('binary mode', () => {
  const attributes = {
    'ce-specversion': '1.0',
    'ce-id': '1',
    'ce-source': '/shop',
    'ce-type': 'orders',
    'ce-time': '2024-05-01T12:00:00Z',
  };
  const payloadOf = async (body: string | Buffer | undefined, headers: OutgoingHttpHeaders) => {
    const { status } = await post(body, { ...attributes, ...headers });
    expect(status).toBe(201);
    return sent().at(-1)?.payloadJson;
  };

  it('takes attributes from headers, and the content type as one', async () => {
    const payload = await payloadOf('{ "n": 1.10 }', {
      'content-type': 'application/json',
      'ce-subject': 'Euro%20%E2%82%AC',
    });
    expect(payload).toBe(
      '{"specversion":"1.0","subject":"Euro €","datacontenttype":"application/json","data":{ "n": 1.10 }}',
    );
    const [event] = sent();
    expect(event).toMatchObject({ topic: 'orders', eventId: '/shop 1', source: '/shop' });
    expect(event?.timestamp).toMatchObject({ seconds: 1_714_564_800n });
  });

  it.each([
    ['application/vnd.a+json; charset=utf-8', '[1,2]', '"data":[1,2]'],
    ['text/plain', 'Grüße "x"', '"data":"Grüße \\"x\\""'],
    ['application/xml', '<a/>', '"data":"<a/>"'],
    ['image/svg+xml; charset="UTF-8"', '<a/>', '"data":"<a/>"'],
    ['text/plain; charset= utf-8', 'a', '"data":"a"'],
    ['text/plain; charset= iso-8859-1', 'a', '"data_base64":"YQ=="'],
    ['text/plain; charset=iso-8859-1', 'a', '"data_base64":"YQ=="'],
    ['text/plain', Buffer.from([0xff]), '"data_base64":"/w=="'],
    ['text/plain', 'a\0', '"data_base64":"YQA="'],
    ['application/octet-stream', 'abc', '"data_base64":"YWJj"'],
    ['application/x-ndjson', '1\n', '"data_base64":"MQo="'],
    ['application/x-www-form-urlencoded', 'a=b', '"data_base64":"YT1i"'],
  ])('of %s: %j is %s', async (type, body, data) => {
    const payload = await payloadOf(body, { 'content-type': type });
    expect(payload).toBe(`{"specversion":"1.0","datacontenttype":${JSON.stringify(type)},${data}}`);
  });

  it('of no type has bytes, and of no body no data', async () => {
    expect(await payloadOf(Buffer.from('a'), {})).toBe('{"specversion":"1.0","data_base64":"YQ=="}');
    expect(await payloadOf(undefined, {})).toBe('{"specversion":"1.0"}');
    const empty = { 'content-type': 'application/json', 'content-length': 0 };
    expect(await payloadOf(undefined, empty)).toBe('{"specversion":"1.0","datacontenttype":"application/json"}');
  });

  it('may be gzip', async () => {
    const headers = { 'content-type': 'text/plain', 'content-encoding': 'gzip' };
    expect(await payloadOf(gzipSync('hello'), headers)).toContain('"data":"hello"');
  });

  it('is not what it is when the type says that it is structured', async () => {
    await post(JSON.stringify(one), { ...attributes, 'ce-id': 'other', ...structured });
    expect(sent()).toMatchObject([{ eventId: '/shop 1' }]);
  });

  it.each<[string, OutgoingHttpHeaders, string, string]>([
    ['a missing attribute', { 'ce-id': 'none' }, '{}', 'id: is missing'],
    [
      'a type without the rest',
      { 'ce-id': 'none', 'ce-source': 'none', 'ce-specversion': 'none' },
      '{}',
      'specversion: is missing',
    ],
    ['another version', { 'ce-specversion': '0.3' }, '{}', 'specversion: must be "1.0"'],
    ['an escape that is not UTF-8', { 'ce-id': '%C0%A0' }, '{}', 'id: is not valid UTF-8'],
    ['a source with a space', { 'ce-source': 'my%20shop' }, '{}', 'source: must be a URI-reference'],
    ['a header given twice', { 'ce-id': ['1', '2'] }, '{}', 'id: is given more than once'],
    ['a name that no attribute has', { 'ce-my-ext': '1' }, '{}', 'my-ext: cannot be an attribute'],
    ['its content type in the wrong header', { 'ce-datacontenttype': 'a/b' }, '{}', 'datacontenttype: is the header'],
    ['data in a header', { 'ce-data': '1' }, '{}', 'data: is the body, not a header'],
    ['data that is no JSON', {}, '{"a":[1,]}', 'data.a[1]: is not valid JSON'],
    ['data that goes on', {}, '{}]', 'data: is not valid JSON: something follows'],
    ['a time without an offset', { 'ce-time': '2024-05-01T12:00:00' }, '{}', 'time: must be a time as in RFC 3339'],
  ])('with %s is refused', async (_, headers, body, message) => {
    const given = Object.entries({ ...attributes, ...headers }).filter(([, value]) => value !== 'none');
    const answer = await post(body, { ...Object.fromEntries(given), 'content-type': 'application/json' });
    expect(answer.status).toBe(400);
    const faults = answer.body.error.fields.map((each) => `${each.field}: ${each.message}`);
    expect(faults).toEqual(expect.arrayContaining([expect.stringContaining(message)]));
    expect(fake.calls).toHaveLength(0);
  });

  it('is read from headers also where proxies turn them round', async () => {
    const turned = Object.fromEntries(Object.entries({ ...attributes, 'ce-b': '1', 'ce-a': '2' }).reverse());
    await post(undefined, turned);
    await post(undefined, { ...attributes, 'ce-a': '2', 'ce-b': '1' });
    expect(new Set(sent().map(({ payloadJson }) => payloadJson))).toEqual(
      new Set(['{"a":"2","b":"1","specversion":"1.0"}']),
    );
  });
});

test.each([['application/cloudevents+xml'], ['application/cloudevents'], ['text/plain'], ['application/ndjson']])(
  '%s is 415, which names what is taken',
  async (type) => {
    const { status, body } = await post('x', { 'content-type': type });
    expect(status).toBe(415);
    for (const taken of ['application/json', 'application/x-ndjson', 'application/cloudevents+json', 'ce-id']) {
      expect(body.error.message).toContain(taken);
    }
  },
);
