import fc from 'fast-check';
import { jsonValue, payloadText, stringSource } from './json-inputs.js';
import { mutatedBytes, mutatedText } from './mutations.js';

const plain = fc.tuple(fc.constantFrom('orders', 'a.b', 'é', 'x y'), fc.nat(999)).map(([word, n]) => `"${word}${n}"`);
const longText = fc
  .tuple(fc.constantFrom('x', 'é', '😀', '\\u00e9', '\\ud83d\\ude00'), fc.constantFrom(254, 255, 256, 5_000))
  .map(([unit, times]) => `"${unit.repeat(times)}"`);
const brokenNames = [
  '""',
  '"\\ud800"',
  '"a\\udc00"',
  '"\\ude00\\ud83d"',
  '"\\u0000"',
  '"a\\n"',
  '"\\u0085"',
  '"\\u007f"',
];
const text = fc.oneof(
  { weight: 150, arbitrary: plain },
  { weight: 2, arbitrary: stringSource.map((source) => `"${source}"`) },
  { weight: 2, arbitrary: fc.constantFrom(...brokenNames) },
  { weight: 1, arbitrary: longText },
  { weight: 1, arbitrary: jsonValue },
);

const instants = [
  ...['2024-05-01T12:00:00Z', '2024-05-01T12:00:00', '2024-05-01 12:00:00.123456789+05:30', '0001-01-01T00:00:00Z'],
  ...['9999-12-31T23:59:59.999999999Z', '2016-12-31T23:59:60Z', '2024-02-29T23:59Z', '1969-12-31T23:59:59.9999999Z'],
];
const noInstants = [
  ...[
    '',
    'now',
    '2023-02-29T00:00:00Z',
    '0000-12-31T23:59:59Z',
    '9999-12-31T23:59:59-01:00',
    '0001-01-01T00:00:00+01:00',
  ],
  ...['2024-13-01T00:00:00Z', '2024-05-01', '2024-05-01T25:00:00Z', '+2024-05-01T12:00:00Z', '10000-01-01T00:00:00Z'],
  ...[
    '2024-05-01T12:00:00+24:00',
    '２０２４-05-01T12:00:00Z',
    '2024-05-01T12:00:00Z ',
    '1714564800',
    '2024-05-01T12:00:00ZZ',
  ],
];
const timestamp = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...instants).map((each) => `"${each}"`) },
  {
    weight: 10,
    arbitrary: fc
      .date({ noInvalidDate: true, min: new Date(-6e13), max: new Date(2.5e14) })
      .map((date) => JSON.stringify(date)),
  },
  { weight: 1, arbitrary: fc.constantFrom(...noInstants).map((each) => `"${each}"`) },
  { weight: 1, arbitrary: jsonValue },
);

const known = fc.tuple(text, text, text, timestamp, fc.option(payloadText, { freq: 1 }));
const strangers = fc.constantFrom(
  '',
  '',
  '',
  '',
  '',
  '',
  '"id":1,',
  '"eventId":"x",',
  '"__proto__":{},',
  '"":0,',
  '"topic":"twice",',
);

const event: fc.Arbitrary<string> = fc
  .tuple(known, strangers, fc.integer({ min: 0, max: 60 }))
  .map(([[topic, eventId, source, at, payload], more, missing]) => {
    const members = [`"topic":${topic}`, `"event_id":${eventId}`, `"source":${source}`, `"timestamp":${at}`];
    if (payload !== null) members.push(`"payload":${payload}`);
    // Now and then one is missing.
    return `{${more}${members.filter((_, index) => index !== missing).join()}}`;
  });

const events = fc.array(event, { maxLength: 4 }).map((list) => list.join());
const batch = fc.oneof(
  events.map((list) => `[${list}]`),
  events.map((list) => `{"events":[${list}]}`),
  events.map((list) => `{"events":[${list}],"events":[]}`),
);
/** At the most that one request may hold, and one more. */
const crowd = fc.constantFrom(999, 1000, 1001).map((count) => {
  const one = (n: number) => `{"topic":"crowd","event_id":"${n}","source":"s","timestamp":"2024-05-01T12:00:00Z"}`;
  return `[${Array.from({ length: count }, (_, n) => one(n))}]`;
});

const body: fc.Arbitrary<string> = fc.oneof(
  { weight: 400, arbitrary: event },
  { weight: 120, arbitrary: batch },
  { weight: 200, arbitrary: mutatedText(event) },
  { weight: 60, arbitrary: mutatedText(batch) },
  { weight: 30, arbitrary: jsonValue },
  { weight: 1, arbitrary: crowd },
);

/** What is posted to /publish, as bytes. */
export const bodyBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 60, arbitrary: body.map((each) => Buffer.from(each)) },
  { weight: 6, arbitrary: mutatedBytes(body.map((each) => Buffer.from(each))) },
  { weight: 1, arbitrary: body.map((each) => Buffer.from(`\ufeff${each}`)) },
  { weight: 1, arbitrary: body.map((each) => Buffer.from(each, 'utf16le')) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
);
