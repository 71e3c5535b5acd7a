import { expect, it, test } from 'vitest';
import { readJsonTree, sourceOf, stringOf } from './json-text-tree.js';

const limits = { maxDepth: 100, maxItems: 3, maxMembers: 4 };

function read(text: string, maxDepth = 100) {
  const result = readJsonTree(text, { ...limits, maxDepth });
  if (!('node' in result)) throw new Error(`${result.path.join('/')}: ${result.message}`);
  return result.node;
}

it('gives each payload as it stands in the text, digit by digit', () => {
  const payload = '{ "n": 0.10000000000000000000000000001, "m":1e3 ,"s":"\\u0041" }';
  const text = `{"events": [{"topic":"t\\u0031","payload": ${payload} , "x": {"y": [1]}}]}`;
  const event = read(text).members?.[0]?.value.items?.[0];
  expect(event?.members?.map(({ key, value }) => [key, value.kind, sourceOf(text, value)])).toEqual([
    ['topic', 'string', '"t\\u0031"'],
    ['payload', 'object', payload],
    ['x', 'object', '{"y": [1]}'],
  ]);
  expect(event?.members?.map(({ value }) => value.members)).toEqual([undefined, undefined, undefined]);
  expect(stringOf(text, event?.members?.[0]?.value as never)).toBe('t1');
});

it('shows a duplicate key as often as it stands there', () => {
  expect(read('{"a":1,"\\u0061":2}').members?.map(({ key }) => key)).toEqual(['a', 'a']);
});

test.each([
  ['1', 'number'],
  [' "x" ', 'string'],
  ['true', 'boolean'],
  ['null', 'null'],
  ['[]', 'array'],
  ['{}', 'object'],
])('%s is one %s', (text, kind) => {
  expect(read(text).kind).toBe(kind);
});

test.each([
  ['[{"topic":"a"},{"payload":{"items":[1,,2]}}]', '1/payload/items/1: is not valid JSON: expected a value'],
  ['{"events":[{},{"topic":tru}]}', 'events/1/topic: is not valid JSON'],
  ['{"events":[{}', 'events: is not valid JSON: expected "," or "]"'],
  ['{} []', ': is not valid JSON: something follows'],
  ['{"a":"\0"}', 'a: contains a NUL'],
  ['', ': is not valid JSON'],
])('says where %s breaks off', (text, message) => {
  expect(() => read(text)).toThrow(message);
});

it('has a bound on nesting', () => {
  expect(() => read(`{"payload":${'['.repeat(100_000)}`)).toThrow('nested deeper than 100 levels');
  expect(() => read('[[[]]]', 2)).toThrow('0/0: is nested deeper than 2 levels');
  expect(() => read('{"events":[{}]}', 2)).toThrow('events/0: is nested deeper than 2 levels');
});

it('has a bound on what is taken apart, and none on what is not', () => {
  expect(readJsonTree('[0,0,0,0]', limits)).toMatchObject({ tooManyItems: true, path: [] });
  expect(readJsonTree('{"events":[0,0,0,0]}', limits)).toMatchObject({ tooManyItems: true, path: ['events'] });
  expect(readJsonTree('[{"a":1,"b":1,"c":1,"d":1,"e":1}]', limits)).toMatchObject({ tooManyItems: false, path: [0] });
  expect(read('[[0,0,0,0],{"payload":[0,0,0,0]}]').items).toHaveLength(2);
  expect(read('{"payload":{"a":1,"b":1,"c":1,"d":1,"e":1}}').members).toHaveLength(1);
});
