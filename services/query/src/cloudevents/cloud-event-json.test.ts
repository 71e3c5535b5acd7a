import type { StoredEvent } from '@eventsieve/contract/gen/eventsieve/v1/event';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isBad } from '../http/read-event.js';
import { parseInstant } from '../instant.js';
import { cloudEventJson } from './cloud-event-json.js';
import { readCloudEvents } from './read-cloud-events.js';

const timestamp = parseInstant('2024-05-01T12:00:00.123456Z');
const storedAs = (changes: object = {}): StoredEvent => ({
  event: { topic: 'orders', eventId: 'e1', source: 'my shop', timestamp, payloadJson: '{"n": 1.10}', ...changes },
  position: 7n,
  receivedAt: undefined,
});

test('an event becomes a CloudEvent', () => {
  expect(cloudEventJson(storedAs())).toBe(
    '{"specversion":"1.0","id":"e1","source":"my%20shop","type":"orders","time":"2024-05-01T12:00:00.123456Z",' +
      '"sequence":"0000000000000000007","datacontenttype":"application/json","data":{"n": 1.10}}',
  );
});

test('an event without a payload becomes none', () => {
  expect(cloudEventJson(storedAs({ payloadJson: undefined }))).toBeUndefined();
  expect(cloudEventJson({ ...storedAs(), event: undefined })).toBeUndefined();
});

const asCloudEvent = { source: '/s', eventId: '/s 1', payloadJson: '{"specversion":"1.0","data":{}}' };

test.each([
  ['an id of another form', { eventId: '/s1' }],
  ['an id of another source', { source: '/t' }],
  ['no id behind the source', { eventId: '/s ' }],
  ['a source that no CloudEvent has', { source: 'a b', eventId: 'a b 1' }],
  ['another version', { payloadJson: '{"specversion":"0.3"}' }],
  ['a member that is no attribute', { payloadJson: '{"specversion":"1.0","a_b":1}' }],
  ['a value that no attribute has', { payloadJson: '{"specversion":"1.0","ab":[]}' }],
  ['an attribute that would be there twice', { payloadJson: '{"specversion":"1.0","id":"x"}' }],
  ['no version', { payloadJson: '{"data":"\\"specversion\\""}' }],
])('an event with %s is no CloudEvent that came as one', (_, changes) => {
  const text = cloudEventJson(storedAs({ ...asCloudEvent, ...changes })) ?? '';
  expect(JSON.parse(text)).toMatchObject({ type: 'orders', sequence: '0000000000000000007' });
  expect(readCloudEvents(text, false, 1).events.some(isBad)).toBe(false);
});

test('what came as a CloudEvent is that one again, digit by digit', () => {
  const data = '{"n": 1.1000000000000000000000000000000001, "list": [1, 2, 3]}';
  const text = cloudEventJson(storedAs({ ...asCloudEvent, payloadJson: `{"data": ${data}, "specversion": "1.0"}` }));
  expect(text).toBe(
    `{"id":"1","source":"/s","type":"orders","time":"2024-05-01T12:00:00.123456Z","data": ${data}, "specversion": "1.0"}`,
  );
});

const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !/[\p{Cc}\s]/u.test(text));
const anyEvent = fc.record(
  {
    specversion: fc.constant('1.0'),
    id: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    source: word,
    type: word,
    time: fc.constant('2024-05-01T12:00:00.500Z'),
    subject: fc.string({ unit: 'grapheme', minLength: 1 }),
    datacontenttype: fc.constantFrom('application/json', 'text/plain; charset=utf-8'),
    dataschema: fc.constant('https://a.example/schema'),
    ext1: fc.oneof(fc.boolean(), fc.integer(), fc.string({ unit: 'grapheme' })),
    sequence: fc.constant('5'),
    data: fc.jsonValue(),
  },
  { requiredKeys: ['specversion', 'id', 'source', 'type', 'time'] },
);

test('any CloudEvent comes back as it came, and again', () => {
  fc.assert(
    fc.property(anyEvent, (event) => {
      const read = (text: string) => readCloudEvents(text, false, 1).events[0];
      const first = read(JSON.stringify(event));
      if (first === undefined || isBad(first)) throw new Error(JSON.stringify(first));
      const text = cloudEventJson({ event: first, position: 1n, receivedAt: undefined }) ?? '';
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(event)));
      expect(read(text)).toEqual({ ...first, payloadJson: expect.anything() });
    }),
    { numRuns: 300 },
  );
});
