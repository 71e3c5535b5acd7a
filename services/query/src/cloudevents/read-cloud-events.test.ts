import { EventsieveError } from '@eventsieve/contract/errors';
import { describe, expect, it, test } from 'vitest';
import { isBad } from '../http/read-event.js';
import { attributeOf } from './attributes.js';
import { readCloudEvents } from './read-cloud-events.js';

const good = { specversion: '1.0', id: 'A234-1234-1234', source: '/mycontext', type: 'com.example.someevent' };
const read = (event: unknown, batch = false) => readCloudEvents(JSON.stringify(event), batch, 3);

function faultsOf(text: string, batch = false): string[] {
  try {
    return readCloudEvents(text, batch, 3).events.flatMap((event, index) =>
      isBad(event) ? event.faults.map(({ field, message }) => `${index} ${field}: ${message}`) : [],
    );
  } catch (error) {
    if (!(error instanceof EventsieveError)) throw error;
    return [`${error.code} ${error.message}`];
  }
}

// From the specification's own pages: the core, the JSON format, the HTTP binding.
const fromTheSpecification = `{
    "specversion" : "1.0",
    "type" : "com.github.pull_request.opened",
    "source" : "https://github.com/cloudevents/spec/pull",
    "subject" : "123",
    "id" : "A234-1234-1234",
    "time" : "2018-04-05T17:31:00Z",
    "comexampleextension1" : "value",
    "comexampleothervalue" : 5,
    "unsetextension": null,
    "datacontenttype" : "text/xml",
    "data" : "<much wow=\\"xml\\"/>"
}`;

test("the specification's example: what an event has a field for is that, and everything else is the payload", () => {
  const { single, events } = readCloudEvents(fromTheSpecification, false, 1);
  expect(single).toBe(true);
  expect(events).toEqual([
    {
      topic: 'com.github.pull_request.opened',
      eventId: 'https://github.com/cloudevents/spec/pull A234-1234-1234',
      source: 'https://github.com/cloudevents/spec/pull',
      timestamp: { seconds: 1_522_949_460n, nanos: 0 },
      payloadJson:
        '{"specversion":"1.0","subject":"123","comexampleextension1":"value","comexampleothervalue":5,' +
        '"datacontenttype":"text/xml","data":"<much wow=\\"xml\\"/>"}',
    },
  ]);
});

it.each([
  ['{ "n": 1.10, "big":123456789012345678901234567890, "list":[ 1,2,3,4,5,6,7 ] }'],
  ['[1,2,3,4,5,6,7]'],
  ['"\\u00e9"'],
  ['null'],
  ['1e-7'],
])('data is passed on as it stands: %s', (data) => {
  const text = `{"data":${data},${JSON.stringify(good).slice(1)}`;
  expect(readCloudEvents(text, false, 3).events).toMatchObject([
    { payloadJson: `{"data":${data},"specversion":"1.0"}` },
  ]);
});

it('has the moment it came when it has no time', () => {
  const before = Math.floor(Date.now() / 1000);
  const [event] = read(good).events;
  const { seconds } = (event as { timestamp: { seconds: bigint } }).timestamp;
  expect(Number(seconds)).toBeGreaterThanOrEqual(before);
  expect(Number(seconds)).toBeLessThanOrEqual(Date.now() / 1000);
});

it('takes a batch, also an empty one', () => {
  expect(read([good, { ...good, id: '2' }], true)).toMatchObject({ single: false, events: { length: 2 } });
  expect(read([], true)).toMatchObject({ single: false, events: [] });
});

const time = 'must be a time as in RFC 3339 from year 1 to 9999, such as 2024-05-01T12:00:00Z';
const notText = 'contains a control character, half a surrogate pair or a code point that is none';
const extension = 'must be a string, true, false or a whole number from -2147483648 to 2147483647';
const name = 'cannot be an attribute: their names are of lower-case letters and digits';

describe('a fault names the attribute', () => {
  test.each<[object, string[]]>([
    [{}, ['specversion: is missing', 'id: is missing', 'source: is missing', 'type: is missing']],
    [{ ...good, id: undefined }, ['id: is missing']],
    [{ ...good, type: null }, ['type: is missing']],
    [{ ...good, id: '' }, ['id: must not be empty']],
    [{ ...good, subject: '' }, ['subject: must not be empty']],
    [{ ...good, specversion: '0.3' }, ['specversion: must be "1.0"']],
    [{ ...good, specversion: 1.0 }, ['specversion: must be a string, not a number']],
    [{ ...good, source: 'my shop' }, ['source: must be a URI-reference, which holds no white space']],
    [{ ...good, source: 'a\u00a0b' }, ['source: must be a URI-reference, which holds no white space']],
    [{ ...good, type: 'a\u0007' }, [`type: ${notText}`]],
    [{ ...good, subject: '\ud800' }, [`subject: ${notText}`]],
    [{ ...good, ext: '\ufffe' }, [`ext: ${notText}`]],
    [{ ...good, time: '2024-05-01' }, [`time: ${time}`]],
    [{ ...good, time: '2024-05-01T12:00:00' }, [`time: ${time}`]],
    [{ ...good, time: '2024-13-01T12:00:00Z' }, [`time: ${time}`]],
    [{ ...good, datacontenttype: 'json' }, ['datacontenttype: must be a media type, such as application/json']],
    [{ ...good, dataschema: '/relative' }, ['dataschema: must be an absolute URI']],
    [{ ...good, Ext: '1' }, [`Ext: ${name}`]],
    [{ ...good, my_ext: '1' }, [`my_ext: ${name}`]],
    [{ ...good, 'a b': '1' }, [`["a b"]: ${name}`]],
    [{ ...good, ext: {} }, [`ext: ${extension}`]],
    [{ ...good, ext: 1.5 }, [`ext: ${extension}`]],
    [{ ...good, ext: 2 ** 31 }, [`ext: ${extension}`]],
    [{ ...good, data: 1, data_base64: 'AA==' }, ['data_base64: must not be given beside data']],
    [{ ...good, data_base64: 'A===' }, ['data_base64: is not Base64']],
    [{ ...good, data_base64: 'AA=A' }, ['data_base64: is not Base64']],
    [{ ...good, data_base64: 'AAA' }, ['data_base64: is not Base64']],
    [{ ...good, data_base64: 'A-_A' }, ['data_base64: is not Base64']],
    [{ ...good, data_base64: null }, ['data_base64: must be a string, not null']],
    [{ ...good, type: 'x'.repeat(256) }, ['type: must be at most 255 characters, but has 256']],
    [{ ...good, source: 'x'.repeat(256) }, ['source: must be at most 255 characters, but has 256']],
    [
      { ...good, id: '😀'.repeat(245) },
      ['id: must be, with the source and a space before it, at most 255 characters, but has 256'],
    ],
  ])('%j', (event, faults) => {
    expect(faultsOf(JSON.stringify(event))).toEqual(faults.map((fault) => `0 ${fault}`));
  });

  test.each<[object]>([
    [{ id: '😀'.repeat(244) }],
    [{ ext: -(2 ** 31), flag: false, empty: '', none: null }],
    [{ data_base64: '' }],
    [{ data_base64: 'AA==' }],
    [{ time: '2024-05-01t12:00:00.123456789+02:00' }],
    [{ dataschema: 'urn:x:y', datacontenttype: 'application/json; charset="utf-8"' }],
  ])('%j is fine', (changes) => {
    expect(faultsOf(JSON.stringify({ ...good, ...changes }))).toEqual([]);
  });

  test('and the place in a batch', () => {
    const batch = [good, { ...good, id: undefined }, 5];
    expect(faultsOf(JSON.stringify(batch), true)).toEqual(['1 id: is missing', '2 : must be an object, not a number']);
  });
});

test.each([
  ['[]', false, 'INVALID_ARGUMENT body: must be one CloudEvent'],
  ['{}', true, 'INVALID_ARGUMENT body: must be an array of CloudEvents'],
  ['"x"', true, 'INVALID_ARGUMENT body: must be an array of CloudEvents'],
  ['[{},{},{},{}]', true, 'PAYLOAD_TOO_LARGE events: must hold at most 3 events (MAX_EVENTS_PER_REQUEST)'],
  ['[{},{"data":[1,}]', true, 'INVALID_ARGUMENT events[1].data[1]: is not valid JSON'],
  ['{"id":"a","data":nope}', false, 'INVALID_ARGUMENT events[0].data: is not valid JSON'],
  ['', false, 'INVALID_ARGUMENT body: is not valid JSON'],
])('%s (batch: %s) is refused', (text, batch, message) => {
  expect(faultsOf(text, batch)).toEqual([expect.stringContaining(message)]);
});

it('refuses a key that stands there twice', () => {
  expect(faultsOf(`{"id":"b",${JSON.stringify(good).slice(1)}`)).toEqual(['0 id: is a duplicate key']);
});

test.each([
  ['topic', 'type'],
  ['event_id', 'id'],
  ['timestamp', 'time'],
  ['source', 'source'],
  ['payload', 'data'],
  ['payload.data.price', 'data.price'],
  ['payload.ext', 'ext'],
  ['payload["a b"]', '["a b"]'],
])('what the gateway calls %s is %s', (field, attribute) => {
  expect(attributeOf(field)).toBe(attribute);
});
