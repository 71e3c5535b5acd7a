import fc from 'fast-check';
import { expect, test } from 'vitest';
import { beginning, mostRecordBytes, type Piece, type Splitter } from './piece.js';
import { readCells, splitRows } from './split-csv.js';
import { splitJsonArray } from './split-json.js';
import { splitLines } from './split-lines.js';

function split(splitter: Splitter, text: string | Buffer, chunkBytes = 1 << 20): Piece[] {
  const bytes = Buffer.from(text);
  const pieces: Piece[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    pieces.push(...splitter.push(bytes.subarray(at, at + chunkBytes)));
  }
  return [...pieces, ...splitter.end()];
}
const shown = (pieces: readonly Piece[]) => pieces.map(({ line, text, fault }) => [line, fault ?? text.slice(0, 100)]);

test('lines are records, blank ones are not, and the last needs no line feed', () => {
  expect(shown(split(splitLines(beginning), '{"a":1}\r\n\n \t\n {"b":"é😀"} \n{"c":3}'))).toEqual([
    [1, '{"a":1}'],
    [4, '{"b":"é😀"}'],
    [5, '{"c":3}'],
  ]);
});

test('elements are records, wherever they stand, and each has the line on which it begins', () => {
  const text = '\n[ {"a":"]},{\\"[",\n"b":[1,{"c":2}]} ,7,\n\n"x\\\\" , [],{}\n]\n';
  expect(shown(split(splitJsonArray(beginning), text))).toEqual([
    [2, '{"a":"]},{\\"[",\n"b":[1,{"c":2}]}'],
    [3, '7'],
    [5, '"x\\\\"'],
    [5, '[]'],
    [5, '{}'],
  ]);
  expect(split(splitJsonArray(beginning), ' [\n] ')).toEqual([]);
});

test('rows are records, also over several lines', () => {
  expect(shown(split(splitRows(beginning), 'a,b\r\n1,"x\n""y"", z"\n\n2,\n3,last'))).toEqual([
    [1, 'a,b'],
    [2, '1,"x\n""y"", z"'],
    [5, '2,'],
    [6, '3,last'],
  ]);
});

test.each([
  ['{"a":1}', 'must begin with ['],
  ['[{} {}]', 'expected "," or "]"'],
  ['[{},]', 'expected an element'],
  ['[,{}]', 'expected an element'],
  ['[{}] []', 'something follows'],
  ['[{},{"a":[', 'not closed'],
  ['', 'not closed'],
])('an array like %s ends with a fault', (text, message) => {
  expect(split(splitJsonArray(beginning), text).at(-1)?.fault).toContain(message);
});

test('what is not UTF-8 is a fault of its line alone', () => {
  const bytes = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}\n{}\n')]);
  expect(shown(split(splitLines(beginning), bytes))).toEqual([
    [1, 'is not valid UTF-8'],
    [2, '{}'],
  ]);
});

test('a record that is too long is given up, and the next one is read', () => {
  const text = Buffer.concat([Buffer.alloc(mostRecordBytes + (1 << 19), 'x'), Buffer.from('\nnext\n')]);
  expect(shown(split(splitLines(beginning), text, 1 << 16))).toEqual([
    [1, 'is longer than 16 MiB'],
    [2, 'next'],
  ]);
  expect(shown(split(splitRows(beginning), text, 1 << 18))).toEqual([
    [1, 'is longer than 16 MiB'],
    [2, 'next'],
  ]);
});

test('a quote that is never closed costs its own line alone', () => {
  expect(shown(split(splitRows(beginning), 'a,b\n"1,2\n3,4\n5,6\n'))).toEqual([
    [1, 'a,b'],
    [2, 'has a quote that is not closed'],
    [3, '3,4'],
    [4, '5,6'],
  ]);
});

test('a quote in the middle of a cell costs its own row alone', () => {
  const rows = ['id,name', '1,5" disk', '2,plain', '3,"x ""y"""', '4,"8" disk', '5,"a"","b"', '6,ok'];
  const pieces = split(splitRows(beginning), `${rows.join('\n')}\n`);
  expect(pieces.map(({ text }) => text)).toEqual(rows);
  const faulty = pieces.filter(({ text }) => typeof readCells(text) === 'string');
  expect(faulty.map(({ line }) => line)).toEqual([2, 5, 6]);
});

const cells = fc.constantFrom('', 'a', '5" disk', '"b"', '"c, ""d""\ne"', '"f"g', 'h"', '"i"""', '""');

test('rows in which each quote that a cell begins with is closed are the rows that are found', () => {
  fc.assert(
    fc.property(fc.array(fc.array(cells, { minLength: 1, maxLength: 3 }), { maxLength: 8 }), (rows) => {
      const texts = rows.map((row) => row.join(',')).filter((row) => row !== '');
      expect(split(splitRows(beginning), texts.join('\n')).map(({ text }) => text)).toEqual(texts);
    }),
    { numRuns: 2_000 },
  );
});

const line = fc.constantFrom(
  '',
  ' ',
  '{}',
  '"',
  '"a,""b',
  '"x',
  'x",y"',
  'é😀',
  '[1,2]',
  '{"a":"\\""}',
  ',',
  ']',
  '[',
  '\r',
);
const text = fc.oneof(
  fc.array(line, { maxLength: 20 }).map((lines) => lines.join('\n')),
  fc.array(fc.json(), { maxLength: 8 }).map((values) => `[${values.join(' ,\n')}]`),
);

test.each([
  ['lines', splitLines],
  ['an array', splitJsonArray],
  ['rows', splitRows],
])('%s are the same pieces in whatever chunks they come, and from any place on', (_, open) => {
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 7 }), fc.nat(), (whole, chunkBytes, at) => {
      const pieces = split(open(beginning), whole);
      expect(split(open(beginning), whole, chunkBytes)).toEqual(pieces);
      const good = pieces.filter(({ fault }) => fault === undefined);
      const from = good[at % Math.max(1, good.length)];
      if (from === undefined) return;
      const rest = Buffer.from(whole).subarray(from.end.offset);
      expect(split(open(from.end), rest, chunkBytes)).toEqual(pieces.slice(pieces.indexOf(from) + 1));
    }),
    { numRuns: 2_000 },
  );
});

test('cells are as RFC 4180 has them', () => {
  expect(readCells('a,,"b ""c"", d",')).toEqual(['a', '', 'b "c", d', '']);
  expect(readCells('""')).toEqual(['']);
  expect(readCells('a"b')).toContain('not quoted');
  expect(readCells('"a"b,c')).toContain('after the closing quote of cell 1');
  expect(readCells('"a')).toContain('not closed');
  const cell = fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a', 'é') });
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1 }), (cells) => {
      expect(readCells(cells.map((each) => `"${each.replaceAll('"', '""')}"`).join(','))).toEqual(cells);
    }),
  );
});
