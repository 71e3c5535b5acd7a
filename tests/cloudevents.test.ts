import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, test } from 'vitest';
import { drained } from './support/exactness.js';
import { type System, startSystem } from './support/system.js';

const documented = readFileSync(fileURLToPath(new URL('../docs/cloudevents.md', import.meta.url)), 'utf8');
const commands = [...documented.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, command = '']) => command.trim());

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.stop());

const single = 'application/cloudevents+json';
const batch = 'application/cloudevents-batch+json';

interface Answer {
  readonly results: readonly { readonly topic: string; readonly event_id: string; readonly outcome: string }[];
  readonly error?: { readonly fields: readonly { readonly index: number; readonly field: string }[] };
}

async function post(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>, query = '') {
  const response = await fetch(`${system.http}/publish${query}`, { method: 'POST', headers, body });
  return { status: response.status, body: (await response.json()) as Answer };
}

async function read(topic: string, eventId: string): Promise<string> {
  const path = `/events/${encodeURIComponent(topic)}/${encodeURIComponent(eventId)}`;
  const response = await fetch(system.http + path, { headers: { accept: single } });
  expect({ status: response.status, type: response.headers.get('content-type') }).toEqual({
    status: 200,
    type: `${single}; charset=utf-8`,
  });
  return response.text();
}

it('does what the documentation shows', async () => {
  const answers: unknown[] = [];
  for (const command of commands) {
    const { stdout } = await promisify(execFile)('bash', [
      '-c',
      command.replace('localhost:8080', new URL(system.http).host),
    ]);
    answers.push(JSON.parse(stdout));
  }
  expect(answers).toMatchObject([
    { results: [{ topic: 'com.example.order', event_id: '/shop A234-1234-0001', outcome: 'stored' }] },
    { results: [{ outcome: 'conflict' }, { outcome: 'stored' }] },
    { results: [{ topic: 'com.example.greeting', event_id: '/shop A234-1234-0003', outcome: 'stored' }] },
    { specversion: '1.0', id: 'A234-1234-0001', source: '/shop', data: { total: 12.5 } },
  ]);
  expect(JSON.parse(await read('com.example.greeting', '/shop A234-1234-0003'))).toMatchObject({
    subject: 'Euro €',
    datacontenttype: 'text/plain',
    data: 'Hello',
  });
});

it('keeps every digit, and a time of its own', async () => {
  const data = '{"list": [123456789012345678901234567890.10, 2], "text": "\\u0001 \\"é\\""}';
  const { body } = await post(
    `{"specversion":"1.0","id":"digits","source":"/s","type":"t","time":"2024-05-01T14:00:00.1234567+02:00","data":${data}}`,
    { 'content-type': single },
  );
  expect(body.results).toMatchObject([{ outcome: 'stored' }]);
  const text = await read('t', '/s digits');
  expect(text).toContain('"list": [123456789012345678901234567890.10, 2]');
  expect(JSON.parse(text)).toMatchObject({ time: '2024-05-01T12:00:00.123456Z', data: { text: '\u0001 "é"' } });
});

const text = (maxLength: number) =>
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength })
    .filter((each) => !/[\p{Cc}\p{Surrogate}\p{Noncharacter_Code_Point}]/u.test(each));
const word = text(20).filter((each) => !/\s/.test(each));
const anyEvent = fc.record(
  {
    specversion: fc.constant('1.0'),
    id: text(30),
    source: word,
    type: text(20),
    time: fc.constant('2024-05-01T12:00:00.500Z'),
    subject: text(20),
    dataschema: fc.constant('https://a.example/schema'),
    datacontenttype: fc.constantFrom('application/json', 'text/plain; charset=utf-8'),
    ext1: fc.oneof(fc.boolean(), fc.integer(), text(10)),
    data: fc
      .jsonValue({ stringUnit: 'grapheme' })
      .filter((value) => !/\\u0000|__proto__|\\ud[89a-f]/i.test(JSON.stringify(value))),
  },
  { requiredKeys: ['specversion', 'id', 'source', 'type', 'time'] },
);

const unique = (events: readonly { id: string; source: string; type: string }[]) => [
  ...new Map(events.map((each) => [JSON.stringify([each.type, each.source, each.id]), each])).values(),
];

test('any CloudEvents come back as they came; published as they came back, they are duplicates', async () => {
  const events = unique(fc.sample(anyEvent, { numRuns: 300, seed: 11 }));
  const first = await post(JSON.stringify(events), { 'content-type': batch });
  expect(first.body.error).toBeUndefined();
  expect(new Set(first.body.results.map(({ outcome }) => outcome))).toEqual(new Set(['stored']));
  const back = await Promise.all(first.body.results.map(({ topic, event_id }) => read(topic, event_id)));
  expect(back.map((each) => JSON.parse(each))).toEqual(JSON.parse(JSON.stringify(events)));
  const again = await post(`[${back.join(',')}]`, { 'content-type': batch });
  expect(new Set(again.body.results.map(({ outcome }) => outcome))).toEqual(new Set(['duplicate']));
});

const percentEncoded = (value: string) =>
  [...value].map((each) => (/[!#$&-~]/.test(each) && each !== '%' ? each : encodeURIComponent(each))).join('');

test('in binary mode attributes and bytes come back', async () => {
  const cases = unique(fc.sample(fc.record({ id: text(30), source: word, type: text(20) }), { numRuns: 60, seed: 13 }));
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (const { id, source, type } of cases) {
    const headers = {
      'content-type': 'application/octet-stream',
      'ce-specversion': '1.0',
      'ce-id': percentEncoded(id),
      'ce-source': percentEncoded(source),
      'ce-type': percentEncoded(type),
    };
    const { body } = await post(bytes, headers);
    expect(body.results).toMatchObject([{ topic: type, event_id: `${source} ${id}`, outcome: 'stored' }]);
    expect(JSON.parse(await read(type, `${source} ${id}`))).toMatchObject({
      id,
      source,
      type,
      datacontenttype: 'application/octet-stream',
      data_base64: Buffer.from(bytes).toString('base64'),
    });
    // Without a time it is what it was the first time.
    expect((await post(bytes, headers)).body.results).toMatchObject([{ outcome: 'duplicate' }]);
  }
});

const one = { specversion: '1.0', id: '1', source: '/bad', type: 'bad' };

test.each([
  ['a NUL', { data: { a: '\0' } }, 'data.a'],
  ['a number that Postgres cannot hold', { data: [1, '@'] }, 'data[1]', '1e400000'],
  ['a key that is not kept', { data: { a: '@' } }, 'data.a.__proto__', '{"__proto__":1}'],
  ['a key that is there twice', { data: { a: '@' } }, 'data.a.b', '{"b":1,"b":2}'],
  ['a type with a control character', { type: '\u0085' }, 'type'],
  ['half a pair in data', { data: '@' }, 'data', '"\\ud800"'],
])('what only the gateway refuses is named by its attribute: %s', async (_, changes, field, instead = '') => {
  const body = JSON.stringify({ ...one, ...changes }).replace('"@"', instead);
  const refused = await post(`[${JSON.stringify(one).replace('"1"', '"0"')},${body}]`, { 'content-type': batch });
  expect({ status: refused.status, fields: refused.body.error?.fields }).toMatchObject({
    status: 400,
    fields: [{ index: 1, field }],
  });
  const partial = await post(`[${body}]`, { 'content-type': batch }, '?allow_partial=true');
  expect(partial.body.results).toMatchObject([{ outcome: 'rejected', error: { field } }]);
});

test('every event can be read as a CloudEvent, in a list and in an export', async () => {
  const event = {
    topic: 'orders',
    event_id: 'o-1',
    source: 'my shop',
    timestamp: '2024-05-01T12:00:00Z',
    payload: { n: 1 },
  };
  await post(JSON.stringify(event), { 'content-type': 'application/json' });
  await drained(system);
  const lines = (await (await fetch(`${system.http}/events/export?format=cloudevents`)).text())
    .split('\n')
    .slice(0, -1);
  const listed: unknown[] = [];
  let next: string | undefined = '?limit=100';
  while (next !== undefined) {
    const page: Response = await fetch(`${system.http}/events${next}`, { headers: { accept: batch } });
    listed.push(...((await page.json()) as unknown[]));
    next = /^<(.*)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1];
  }
  expect(listed.length).toBeGreaterThan(300);
  expect(lines.map((line) => JSON.parse(line))).toEqual(listed);
  expect(listed).toContainEqual({
    specversion: '1.0',
    id: 'o-1',
    source: 'my%20shop',
    type: 'orders',
    time: '2024-05-01T12:00:00Z',
    sequence: expect.stringMatching(/^\d{19}$/),
    datacontenttype: 'application/json',
    data: { n: 1 },
  });
});
