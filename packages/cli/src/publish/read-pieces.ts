import type { Input } from './open-input.js';
import { beginning, type Piece, type Place, type Splitter } from './piece.js';
import { csvRecordReader, type Mapping } from './read-csv-record.js';
import { jsonRecordReader } from './read-json-record.js';
import type { Defaults, RecordReader } from './read-record.js';
import { splitRows } from './split-csv.js';
import { splitJsonArray } from './split-json.js';
import { splitLines } from './split-lines.js';

export type Format = 'ndjson' | 'json' | 'csv';

export interface Reading {
  readonly defaults: Defaults;
  readonly mappings: readonly Mapping[];
  /** Undefined: what it looks like. */
  readonly format: Format | undefined;
  /** Columns that go nowhere are worth a word. */
  readonly leftOut: (columns: readonly string[]) => void;
}

/** How a file is read, which whoever goes on in its middle cannot see any more. */
export interface Manner {
  readonly format: Format;
  /** Of a CSV file. */
  readonly header?: string;
}

export interface OpenRecords {
  /** Known once there is a piece. */
  manner(): Manner | undefined;
  read: RecordReader;
  /** The pieces of each chunk together: to wait for each alone would cost more than to read it. */
  pieces(): AsyncGenerator<readonly Piece[]>;
}

const splitters: Readonly<Record<Format, (from: Place) => Splitter>> = {
  ndjson: splitLines,
  json: splitJsonArray,
  csv: splitRows,
};

export function openRecords(input: Input, reading: Reading, from = beginning, known?: Manner): OpenRecords {
  let manner = known;
  let reader: RecordReader | undefined = manner === undefined ? undefined : readerOf(manner, reading);

  /** Takes the header of a CSV file off. */
  function withoutHeader(pieces: readonly Piece[]): readonly Piece[] {
    const [header] = pieces;
    if (manner === undefined || reader !== undefined || header === undefined) return pieces;
    if (manner.format === 'csv') manner = { format: 'csv', header: header.text };
    reader = readerOf(manner, reading);
    return manner.format === 'csv' ? pieces.slice(1) : pieces;
  }

  return {
    manner: () => manner,
    read: (text, record) => (reader as RecordReader)(text, record),
    async *pieces() {
      let splitter = manner === undefined ? undefined : splitters[manner.format](from);
      let head = Buffer.alloc(0);
      for await (const chunk of input.chunks(from.offset)) {
        let bytes = chunk;
        if (splitter === undefined) {
          head = Buffer.concat([head, chunk]);
          const bom = head.subarray(0, 3).equals(byteOrderMark) ? 3 : 0;
          const format = reading.format ?? formatOf(input.name, head.subarray(bom));
          if (format === undefined || head.length < 3) continue;
          manner = { format };
          splitter = splitters[format]({ ...from, offset: bom });
          bytes = head.subarray(bom);
        }
        yield withoutHeader(splitter.push(bytes));
      }
      if (splitter === undefined && head.length > 0) {
        manner = { format: reading.format ?? formatOf(input.name, head) ?? 'ndjson' };
        splitter = splitters[manner.format](from);
        yield withoutHeader(splitter.push(head));
      }
      if (splitter !== undefined) yield withoutHeader(splitter.end());
    },
  };
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

function readerOf(manner: Manner, { defaults, mappings, leftOut }: Reading): RecordReader {
  if (manner.format !== 'csv') return jsonRecordReader(defaults);
  const csv = csvRecordReader(manner.header ?? '', mappings, defaults);
  if (csv.leftOut.length > 0) leftOut(csv.leftOut);
  return csv.read;
}

const mostBlankBytes = 1024 ** 2;

/** By its name, else by its first character; undefined while there is none. */
function formatOf(name: string, head: Buffer): Format | undefined {
  const [, ending = ''] = /\.(ndjson|jsonl|csv)(?:\.gz)?$/i.exec(name) ?? [];
  if (ending !== '') return ending.toLowerCase() === 'csv' ? 'csv' : 'ndjson';
  const first = /\S/.exec(head.toString('latin1'))?.[0];
  if (first === undefined) return head.length < mostBlankBytes ? undefined : 'ndjson';
  if (first === '[') return 'json';
  return first === '{' ? 'ndjson' : 'csv';
}
