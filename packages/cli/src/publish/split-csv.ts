import { mostRecordBytes, type Piece, type Place, pieceOf, type Splitter, tooLong } from './piece.js';

const quote = 0x22;
const newline = 0x0a;
const comma = 0x2c;

/** Where in a cell it is. Only a quote that a cell begins with opens it, or one right behind a quote that closed it. */
type InCell = 'begins' | 'plain' | 'quoted' | 'closed';

/** Records are rows (RFC 4180): a line feed between quotes belongs to its cell. Blank lines are none. */
export function splitRows(from: Place): Splitter {
  let rest: Buffer = Buffer.alloc(0);
  let { offset, line, record } = from;
  /** Of the rest: how much was looked at, and what was found there. */
  let seen = 0;
  let cell: InCell = 'begins';
  let breaks = 0;
  /** Of a line that was given up more is to come. */
  let skipping = false;

  function take(row: Buffer, bytes: number, lines: number, pieces: Piece[]): void {
    const first = line + 1;
    offset += bytes;
    line += lines;
    const text = row.at(-1) === 0x0d ? row.subarray(0, -1) : row;
    if (text.length > 0) pieces.push(pieceOf(text, first, { offset, line, record: ++record }));
  }

  function scan(bytes: Buffer, pieces: Piece[]): void {
    let start = 0;
    for (let at = seen; at < bytes.length; at++) {
      const code = bytes[at];
      if (code === newline) breaks++;
      if (cell === 'quoted') {
        if (code === quote) cell = 'closed';
      } else if (code === newline) {
        take(bytes.subarray(start, at), at + 1 - start, breaks, pieces);
        start = at + 1;
        breaks = 0;
        cell = 'begins';
      } else if (code === comma) cell = 'begins';
      else cell = code === quote && cell !== 'plain' ? 'quoted' : 'plain';
    }
    rest = bytes.subarray(start);
    seen = rest.length;
  }

  /** A quote that is never closed would take all that follows with it: its line is given up, and no more. */
  function giveUpLine(fault: string, pieces: Piece[]): void {
    const end = rest.indexOf(newline);
    const next = end < 0 ? rest.length : end + 1;
    offset += next;
    line++;
    record++;
    skipping = end < 0;
    pieces.push({ line, record, end: { offset, line, record }, text: '', fault });
    const after = rest.subarray(next);
    seen = 0;
    cell = 'begins';
    breaks = 0;
    scan(after, pieces);
  }

  return {
    push(chunk) {
      const pieces: Piece[] = [];
      const from = skipping ? chunk.indexOf(newline) + 1 : 0;
      if (skipping && from === 0) {
        offset += chunk.length;
        return pieces;
      }
      skipping = false;
      offset += from;
      const bytes = chunk.subarray(from);
      scan(rest.length === 0 ? bytes : Buffer.concat([rest, bytes]), pieces);
      while (rest.length > mostRecordBytes) giveUpLine(cell === 'quoted' ? unclosed : tooLong, pieces);
      return pieces;
    },
    end() {
      const pieces: Piece[] = [];
      while (rest.length > 0 && cell === 'quoted') giveUpLine(unclosed, pieces);
      if (rest.length > 0) take(rest, rest.length, 1, pieces);
      rest = Buffer.alloc(0);
      return pieces;
    },
  };
}

const unclosed = 'has a quote that is not closed';

/** The cells of a row, or what is wrong with it. */
export function readCells(row: string): readonly string[] | string {
  if (!row.includes('"')) return row.split(',');
  const cells: string[] = [];
  for (let at = 0; ; at++) {
    if (row[at] === '"') {
      let cell = '';
      for (let from = at + 1; ; ) {
        const end = row.indexOf('"', from);
        if (end < 0) return unclosed;
        cell += row.slice(from, end);
        at = end + 1;
        if (row[at] !== '"') break;
        cell += '"';
        from = at + 1;
      }
      if (at < row.length && row[at] !== ',') return `has text after the closing quote of cell ${cells.length + 1}`;
      cells.push(cell);
    } else {
      const comma = row.indexOf(',', at);
      const end = comma < 0 ? row.length : comma;
      const cell = row.slice(at, end);
      if (cell.includes('"')) return `has a quote within cell ${cells.length + 1}, which is not quoted itself`;
      cells.push(cell);
      at = end;
    }
    if (at >= row.length) return cells;
  }
}
