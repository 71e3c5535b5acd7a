import { idFrom } from '@eventsieve/client';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readMembers } from './json-members.js';
import { csvRecordReader } from './read-csv-record.js';
import { jsonRecordReader } from './read-json-record.js';
import type { Defaults } from './read-record.js';

const none: Defaults = { topic: undefined, source: undefined, idFrom: [] };
const read = (text: string, defaults: Partial<Defaults> = {}, record = 1) =>
  jsonRecordReader({ ...none, ...defaults })(text, record);

test('an event of an export is that event, and its payload the same text', () => {
  const payload = '{ "n": 0.10000000000000000000000000001, "m":1e3 ,"s":"\\u0041}\\"" }';
  const text = `{"id":"7","received_at":"x","topic":"t\\u0031","event_id":"e","timestamp":"2024-05-01T12:00:00Z","source":"s","payload":${payload}}`;
  expect(read(text)).toEqual({
    topic: 't1',
    eventId: 'e',
    timestamp: '2024-05-01T12:00:00Z',
    source: 's',
    payloadJson: payload,
  });
});

test('what a record leaves open is given to it, and what it says goes before', () => {
  expect(read('{"event_id":"e"}', { topic: 't', source: 's' })).toEqual({
    topic: 't',
    eventId: 'e',
    source: 's',
    payloadJson: '{}',
  });
  expect(read('{"event_id":"e","topic":"own"}', { topic: 't', source: 's' })).toMatchObject({ topic: 'own' });
});

test('without an id it is made of text and place: the same again, and another for each', () => {
  const text = '{"topic":"t","source":"s"}';
  const id = (record: number, of = text) => (read(of, {}, record) as { eventId: string }).eventId;
  expect(id(1)).toBe(id(1));
  expect(new Set([id(1), id(2), id(1, text.replace('s"}', 's" }'))])).toHaveProperty('size', 3);
});

test('--id-from makes the id that the client would make of the same values', () => {
  const text =
    '{"topic":"t","source":"s","payload":{"a":{"b":"x"},"n":12,"big":12345678901234567890,"y":true,"z":null}}';
  const id = (...fields: string[]) => (read(text, { idFrom: fields }) as { eventId: string }).eventId;
  expect(id('payload.a.b', 'payload.n')).toBe(idFrom('x', 12));
  expect(id('topic', 'payload.y', 'payload.z')).toBe(idFrom('t', true, null));
  // Two that one double would be are two ids.
  expect(id('payload.big')).toBe(idFrom('12345678901234567890'));
  expect(read(text, { idFrom: ['payload.none'] })).toEqual([expect.objectContaining({ field: 'payload.none' })]);
  expect(() => read(text, { idFrom: ['no'] })).toThrow('--id-from names "no"');
});

test.each([
  ['[]', '', 'must be a JSON object'],
  ['{"topic":"t"', '', 'is not valid JSON'],
  ['{"topic":"t","source":"s"} x', '', 'is not valid JSON'],
  ['{"topic":1,"source":"s"}', 'topic', 'must be a string'],
  ['{"source":"s"}', 'topic', 'is missing'],
  ['{"topic":"t"}', 'source', 'is missing'],
  ['{"topic":"t","topic":"u","source":"s"}', 'topic', 'is a duplicate key'],
  ['{"topic":"t","source":"s","paylod":{}}', 'paylod', 'is an unknown field'],
])('%s is at fault', (text, field, message) => {
  expect(read(text)).toContainEqual({ field, message: expect.stringContaining(message) });
});

test('members are found in any JSON, each as it stands there', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.boolean(), (value, spaced) => {
      const text = spaced ? JSON.stringify(value, null, '\t') : JSON.stringify(value);
      const members = readMembers(text) ?? [];
      expect(members.map(({ key, source }) => [key, JSON.parse(source)])).toEqual(
        Object.entries(JSON.parse(text) as object),
      );
    }),
  );
});

test('columns become fields by their names and by mappings, digit by digit', () => {
  const mappings = [
    { column: 'no', field: 'event_id', kind: 'string' },
    { column: 'amount', field: 'payload.amount', kind: 'number' },
    { column: 'tags', field: 'payload.tags', kind: 'json' },
  ] as const;
  const { read, leftOut } = csvRecordReader('no,topic,amount,payload.note,tags,other', mappings, {
    ...none,
    source: 's',
  });
  expect(leftOut).toEqual(['other']);
  expect(read('7,orders,1.500000000000000000001,"a ""b""","[1, 2]",x', 1)).toEqual({
    topic: 'orders',
    eventId: '7',
    source: 's',
    payloadJson: '{"amount":1.500000000000000000001,"note":"a \\"b\\"","tags":[1, 2]}',
  });
  expect(read('7,orders,,,,', 1)).toMatchObject({ payloadJson: '{}' });
  expect(read('7,orders,1x,,"[1,",', 1)).toEqual([
    { field: 'payload.amount', message: 'is not a number' },
    { field: 'payload.tags', message: 'is not valid JSON' },
  ]);
  expect(read('7,orders,1', 1)).toEqual([{ field: '', message: 'has 3 cells, but the header has 6' }]);
  expect(read('7,,1,,,', 1)).toEqual([expect.objectContaining({ field: 'topic' })]);
});

test.each([
  ['a,b', [], {}, 'No column is topic: name one (--map <column>=topic), or give --topic.'],
  ['topic,topic', [], {}, 'The header has the column "topic" twice.'],
  ['topic,source', [{ column: 'no', field: 'event_id' }], {}, '--map names the column "no", but there is none.'],
  ['topic,source,t', [{ column: 't', field: 'topic' }], {}, 'Two columns are to be topic.'],
  ['topic,source', [], { idFrom: ['no'] }, '--id-from names "no", but there is no such column.'],
  ['topic,source,payload,payload.x', [], {}, 'Columns are to be both payload and a part of it.'],
] as const)('a header %s with %j and %j is refused', (header, mappings, defaults, sentence) => {
  const all = mappings.map((each) => ({ ...each, kind: 'string' as const }));
  expect(() => csvRecordReader(header, all, { ...none, ...defaults })).toThrow(sentence);
});
