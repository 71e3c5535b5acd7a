import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type System, startSystem } from './support/system.js';

let system: System;
beforeAll(async () => {
  system = await startSystem({
    environment: { MAX_EVENT_BYTES: '4096', MAX_EVENTS_PER_REQUEST: '5', MAX_PAYLOAD_DEPTH: '8' },
  });
});
afterAll(() => system.stop());

interface Answer {
  readonly error: { readonly code: string; readonly message: string; readonly fields: readonly object[] };
  readonly results: readonly object[];
}

interface Page {
  readonly count: number;
  readonly events: readonly { readonly payload: object }[];
}

async function read(path: string): Promise<Page> {
  return (await (await fetch(system.http + path)).json()) as Page;
}

async function post(body: string | Buffer, query = '', headers: Record<string, string> = {}) {
  const response = await fetch(`${system.http}/publish${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
  return { status: response.status, body: (await response.json()) as Answer };
}

const good = { topic: 'orders', event_id: 'e1', source: 'shop', timestamp: '2024-05-01T12:00:00Z' };
/** A member is written as it stands; undefined leaves it out. */
function eventWith(changes: Readonly<Record<string, string | undefined>>): string {
  const members = {
    ...Object.fromEntries(Object.entries(good).map(([key, value]) => [key, `"${value}"`])),
    ...changes,
  };
  const written = Object.entries(members).filter(([, value]) => value !== undefined);
  return `{${written.map(([key, value]) => `"${key}":${value}`).join(',')}}`;
}
const payload = (text: string) => ({ payload: text });
const nested = (levels: number): string => (levels === 1 ? '{}' : `{"a":${nested(levels - 1)}}`);
const fine = eventWith({});

const cases: [what: string, change: Record<string, string | undefined>, field: string][] = [
  ['no topic', { topic: undefined }, 'topic'],
  ['no event_id', { event_id: undefined }, 'event_id'],
  ['no source', { source: undefined }, 'source'],
  ['a topic that is a number', { topic: '1' }, 'topic'],
  ['an event_id that is null', { event_id: 'null' }, 'event_id'],
  ['a source that is an array', { source: '["a"]' }, 'source'],
  ['an empty topic', { topic: '""' }, 'topic'],
  ['an empty event_id', { event_id: '""' }, 'event_id'],
  ['an empty source', { source: '""' }, 'source'],
  ['a topic of 256 characters', { topic: `"${'x'.repeat(256)}"` }, 'topic'],
  ['an event_id of 256 wide characters', { event_id: `"${'\u{1f600}'.repeat(256)}"` }, 'event_id'],
  ['a source of 256 characters', { source: `"${'é'.repeat(256)}"` }, 'source'],
  ['a line feed in the topic', { topic: '"a\\nb"' }, 'topic'],
  ['a raw line feed in the topic', { topic: '"a\nb"' }, 'topic'],
  ['NUL in the event_id', { event_id: '"a\\u0000"' }, 'event_id'],
  ['DEL in the source', { source: '"a\\u007f"' }, 'source'],
  ['a C1 control character in the topic', { topic: '"a\\u0085"' }, 'topic'],
  ['a lone surrogate in the event_id', { event_id: '"\\udc00x"' }, 'event_id'],
  ['no timestamp', { timestamp: undefined }, 'timestamp'],
  ['a timestamp that is a number', { timestamp: '1714564800' }, 'timestamp'],
  ['a timestamp in other words', { timestamp: '"yesterday"' }, 'timestamp'],
  ['a day that does not exist', { timestamp: '"2023-02-29T00:00:00Z"' }, 'timestamp'],
  ['an hour that does not exist', { timestamp: '"2023-02-28T24:00:01Z"' }, 'timestamp'],
  ['the year 0', { timestamp: '"0000-12-31T00:00:00Z"' }, 'timestamp'],
  ['beyond the year 9999', { timestamp: '"9999-12-31T23:59:59-01:00"' }, 'timestamp'],
  ['a payload that is an array', payload('[1]'), 'payload'],
  ['a payload that is text', payload('"x"'), 'payload'],
  ['a payload that is null', payload('null'), 'payload'],
  ['NUL in a string', payload('{"a":"x\\u0000"}'), 'payload.a'],
  ['NUL in a key', payload('{"a\\u0000":1}'), 'payload'],
  ['a lone surrogate in a string', payload('{"a":["\\ud800"]}'), 'payload.a[0]'],
  ['a number that Postgres cannot hold', payload('{"a":{"b":1e200000}}'), 'payload.a.b'],
  ['a number too fine for Postgres', payload('{"a":1e-20000}'), 'payload.a'],
  ['NaN', payload('{"a":NaN}'), 'payload.a'],
  ['a number that begins with 0', payload('{"a":01}'), 'payload'],
  ['too deep nesting', payload(nested(9)), `payload${'.a'.repeat(8)}`],
  ['a __proto__ key', payload('{"a":{"__proto__":{}}}'), 'payload.a.__proto__'],
  ['duplicate keys in the payload', payload('{"a":{"b":1,"b":2}}'), 'payload.a.b'],
  ['an event over its size limit', payload(`{"a":"${'x'.repeat(4096)}"}`), 'payload'],
  ['an unknown field', { id: '1' }, 'id'],
  ['a field in another spelling', { eventId: '"e1"' }, 'eventId'],
];

describe.each(cases)('%s', (_, change, field) => {
  test('is refused alone and in a batch, by index and field', async () => {
    const bad = eventWith(change);
    for (const [body, index] of [
      [bad, 0],
      [`[${fine},${bad}]`, 1],
      [`{"events":[${fine},${fine},${bad}]}`, 2],
    ] as const) {
      const { status, body: answer } = await post(body);
      expect({ status, code: answer.error?.code }).toEqual({ status: 400, code: 'invalid_argument' });
      expect(answer.error.fields).toMatchObject([{ index, field }]);
      expect(answer.error.message).toContain(`events[${index}].${field}`);
    }
  });
});

test('a duplicate key of the event is refused', async () => {
  const { status, body } = await post(`[${fine},${fine.replace('{', '{"topic":"other",')}]`);
  expect(status).toBe(400);
  expect(body.error.fields).toMatchObject([{ index: 1, field: 'topic' }]);
});

const large = `[${Array(40).fill(fine).join(',')},"${'x'.repeat(25_000)}"]`;
const garbage: [what: string, body: string | Buffer, status: number, field: string | undefined, headers?: object][] = [
  ['nothing', '', 400, 'body'],
  ['white space', ' \n', 400, 'body'],
  ['no JSON', 'topic=orders', 400, 'body'],
  ['half an event', fine.slice(0, -20), 400, 'timestamp'],
  ['a number', '42', 400, 'body'],
  ['null', 'null', 400, 'body'],
  ['trailing garbage', `${fine}x`, 400, 'body'],
  ['two events on two lines', `${fine}\n${fine}`, 400, 'body'],
  ['invalid UTF-8', Buffer.concat([Buffer.from(fine.slice(0, 12)), Buffer.from([0xff, 0xfe])]), 400, 'body'],
  ['UTF-16', Buffer.from(fine, 'utf16le'), 400, 'body'],
  ['random bytes', Buffer.from([0x1f, 0x8b, 0x00, 0xff, 0x00, 0x9c]), 400, 'body'],
  ['ten thousand brackets', '['.repeat(10_000), 400, undefined],
  ['no events', '[]', 400, 'events'],
  ['no events in a list', '{"events":[]}', 400, 'events'],
  ['events that are no list', '{"events":1}', 400, 'events'],
  ['events and more', `{"events":[${fine}],"wait":"stored"}`, 400, 'wait'],
  ['a list in a list', `[[${fine}]]`, 400, ''],
  ['too many events', `[${Array(6).fill(fine).join(',')}]`, 413, 'events'],
  ['too many bytes', large, 413, undefined],
  ['a gzip bomb', gzipSync(Buffer.alloc(8_000_000, 32)), 413, undefined, { 'content-encoding': 'gzip' }],
  ['no gzip', fine, 400, 'body', { 'content-encoding': 'gzip' }],
  ['half of a gzip', gzipSync(fine).subarray(0, 40), 400, 'body', { 'content-encoding': 'gzip' }],
  ['an unknown encoding', fine, 415, undefined, { 'content-encoding': 'br' }],
  ['a form', 'topic=a', 415, undefined, { 'content-type': 'application/x-www-form-urlencoded' }],
  ['plain text', fine, 415, undefined, { 'content-type': 'text/plain' }],
];

test.each(garbage)('%s is refused', async (_, body, status, field, headers = {}) => {
  const answer = await post(body, '', headers as Record<string, string>);
  expect(answer).toMatchObject({ status, body: { error: { code: expect.any(String), message: expect.any(String) } } });
  if (field !== undefined) expect(answer.body.error.fields[0]).toMatchObject({ field });
});

test('after all that every process is alive, and nothing was received', async () => {
  for (const { child } of system.processes()) expect([child.exitCode, child.signalCode]).toEqual([null, null]);
  expect(await (await fetch(`${system.http}/health`)).json()).toMatchObject({ ok: true });
  const { lifetime, queue_size } = (await (await fetch(`${system.http}/stats`)).json()) as {
    lifetime: { received: number; dead_lettered: number };
    queue_size: number;
  };
  expect({ received: lifetime.received, dead: lifetime.dead_lettered, queue_size }).toEqual({
    received: 0,
    dead: 0,
    queue_size: 0,
  });
  expect((await read('/events')).count).toBe(0);
});

test('many at once, good and bad: every good one is stored, every bad one refused by itself', async () => {
  const bodies = Array.from({ length: 120 }, (_, index) =>
    index % 3 === 2
      ? eventWith(cases[(index / 3) | 0]?.[1] ?? {})
      : eventWith({ topic: '"many"', event_id: `"m${index}"` }),
  );
  const answers = await Promise.all(bodies.map((body) => post(body)));
  answers.forEach(({ status, body }, index) => {
    expect(status).toBe(index % 3 === 2 ? 400 : 201);
    if (index % 3 === 2) expect(body.error.fields).toMatchObject([{ index: 0, field: cases[(index / 3) | 0]?.[2] }]);
    else expect(body.results).toMatchObject([{ event_id: `m${index}`, outcome: 'stored' }]);
  });
  expect((await read('/events?topic=many&limit=1000')).count).toBe(80);
});

test('with allow_partial each bad event has its verdict, and the good ones are stored', async () => {
  const lines = [fine, eventWith({ topic: '1' }), eventWith(payload('{"a":1,"a":2}')), eventWith({ event_id: '"e2"' })];
  const { status, body } = await post(`[${lines.join(',')}]`, '?allow_partial=true');
  expect(status).toBe(200);
  expect(body).toMatchObject({ received: 4, accepted: 2, inserted: 2, rejected: 2 });
  expect(body.results).toMatchObject([
    { outcome: 'stored' },
    { outcome: 'rejected', error: { code: 'invalid_argument', field: 'topic' } },
    { outcome: 'rejected', error: { code: 'invalid_argument', field: 'payload.a' } },
    { outcome: 'stored' },
  ]);
});

test('numbers come back digit for digit', async () => {
  const numbers = [
    '9223372036854775807',
    '1234567890123456789',
    `${'1234567890'.repeat(4)}`,
    '0.1',
    '1.10',
    '-0.30000000000000004',
  ];
  const { status } = await post(eventWith({ topic: '"numbers"', ...payload(`{"n":[${numbers.join(', ')}]}`) }));
  expect(status).toBe(201);
  for (const path of ['/events?topic=numbers', '/events/numbers/e1']) {
    const text = await (await fetch(system.http + path)).text();
    const list = /"n": ?\[([^\]]*)\]/.exec(text)?.[1] ?? '';
    expect(list.split(',').map((each) => each.trim())).toEqual(numbers);
  }
});

test('a timestamp without an offset is UTC, and an absent payload is {}', async () => {
  await post(eventWith({ topic: '"defaults"', timestamp: '"2024-05-01T12:00:00"' }));
  const { events } = await read('/events?topic=defaults');
  expect(events).toMatchObject([{ timestamp: '2024-05-01T12:00:00Z', payload: {} }]);
});
