import { findPayloadFault } from '@eventsieve/runtime/json-text';
import { expect, test } from 'vitest';
import { isPlainJson } from './plain-json.js';

const depth = 32;
const plain = (text: string | Uint8Array, maxDepth = depth) => isPlainJson(Buffer.from(text), maxDepth);
const many = (count: number, of: (index: number) => string) => Array.from({ length: count }, (_, i) => of(i)).join();

const shown = (text: string) => [JSON.stringify(text).slice(1, 60), text] as const;

test.each(
  [
    '{}',
    ' { "a" : [ ] , "b" : { } } \r\n\t',
    '{"order_id":"A-1","customer":{"id":4711,"region":"eu-west"},"amount":129.95,"items":[1,-2,0.5,-0.0],"express":false}',
    '{"a":null,"b":true,"c":{"a":{"a":"a"}},"":"","__proto":1}',
    `{${many(16, (i) => `"key${i}":${i}`)}}`,
  ].map(shown),
)('%s is plain', (_, text) => {
  expect(plain(text)).toBe(true);
  expect(findPayloadFault(text, depth)).toBeUndefined();
});

// Some of them are good payloads, but not plain.
test.each(
  [
    '',
    ' ',
    'null',
    '[]',
    '"x"',
    '1',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{} {}',
    '{}x',
    '{,}',
    '{"a":01}',
    '{"a":-}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":+1}',
    '{"a":1e5}',
    '{"a":1E5}',
    '{"a":1.5e-5}',
    '{"a":--1}',
    '{"a":tru}',
    '{"a":nul',
    '{"a":fals3}',
    '{"a":True}',
    '{"a":NaN}',
    '{"a":fxlse}',
    '{"a":f',
    '{"a":"x}',
    '{"a":"\\n"}',
    '{"a":"\n"}',
    '{"a":"\u007f"}',
    '{"a":"é"}',
    '{"é":1}',
    '{"a":"\u0000"}',
    '{"a":1,"a":2}',
    '{"b":{"a":1,"c":2,"a":3}}',
    '{"__proto__":1}',
    '{"a":{"__proto__":{}}}',
    '{"a" 1}',
    "{'a':1}",
    '{"a":[1,]}',
    '{"a":[1 2]}',
    '{"a":[}',
    '{"a":]}',
    '{"a":[1}',
    '{"a":1]',
    '\ufeff{}',
    '{"a":1 "b":2}',
    '{a:1}',
    `{${many(17, (i) => `"key${i}":${i}`)}}`,
    `{"a":${'9'.repeat(257)}}`,
  ].map(shown),
)('%s is not', (_, text) => {
  expect(plain(text)).toBe(false);
});

test('it is no deeper than what is asked for, and what failed deep inside leaves nothing behind', () => {
  const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`;
  for (const levels of [1, 2, 31, 32, 33]) {
    expect(plain(nested(levels))).toBe(levels <= depth);
    expect(plain(nested(levels), levels)).toBe(true);
    expect(plain(nested(levels), levels - 1)).toBe(false);
    const list = `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    expect(plain(list, levels + 1)).toBe(true);
    expect(plain(list, levels)).toBe(false);
    expect(findPayloadFault(list, levels + 1)).toBeUndefined();
    expect(findPayloadFault(list, levels)).toBeDefined();
  }
  for (let time = 0; time < 300; time++) expect(plain('{"a":{"b":{"c":{"d":x')).toBe(false);
  expect(plain('{"a":{"b":1}}')).toBe(true);
});

test('bytes that are no UTF-8 are not plain', () => {
  expect(plain(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe(false);
});

test('whatever is plain has no fault: a hundred thousand texts, damaged in one or two places', () => {
  let seed = 7;
  const upTo = (bound: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (seed >>> 8) % bound;
  };
  const texts = [
    '{"a":1,"b":[true,false,null,"x",{}],"c":{"a":1.50,"__proto":-0}}',
    '{ "order_id" : "A-1043" , "n" : [ 12 , -3.25 , [ ] ] , "m" : { "k" : "v" , "kk" : "v" } }',
  ];
  const marks = '{}[]",:.-+eE0123456789truefalsn \n\\ab_\u007fé';
  let plainOnes = 0;
  for (let time = 0; time < 100_000; time++) {
    let text = texts[upTo(texts.length)] as string;
    for (let damage = upTo(3); damage >= 0; damage--) {
      const from = upTo(text.length + 1);
      const mark = upTo(4) === 0 ? '' : (marks[upTo(marks.length)] as string);
      text = text.slice(0, from) + mark + text.slice(from + upTo(3));
    }
    if (!plain(text)) continue;
    plainOnes++;
    expect(findPayloadFault(text, depth), text).toBeUndefined();
  }
  expect(plainOnes).toBeGreaterThan(5_000);
});
