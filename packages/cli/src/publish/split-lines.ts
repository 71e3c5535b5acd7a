import { mostRecordBytes, type Piece, type Place, pieceOf, type Splitter, tooLong } from './piece.js';

const newline = 0x0a;
const blank = new Set([0x20, 0x09, 0x0d]);

/** Records are lines; blank ones are none. */
export function splitLines(from: Place): Splitter {
  let rest: Buffer = Buffer.alloc(0);
  let { offset, line, record } = from;
  let skipping = false;

  function take(bytes: Buffer, start: number, end: number, next: number, pieces: Piece[]): void {
    offset += next - start;
    const number = ++line;
    if (skipping) {
      skipping = false;
      return;
    }
    let first = start;
    let last = end;
    while (first < last && blank.has(bytes[first] as number)) first++;
    while (last > first && blank.has(bytes[last - 1] as number)) last--;
    if (first === last) return;
    pieces.push(pieceOf(bytes.subarray(first, last), number, { offset, line, record: ++record }));
  }

  return {
    push(chunk) {
      const pieces: Piece[] = [];
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let at = bytes.indexOf(newline, rest.length); at >= 0; at = bytes.indexOf(newline, start)) {
        take(bytes, start, at, at + 1, pieces);
        start = at + 1;
      }
      rest = bytes.subarray(start);
      if (!skipping && rest.length > mostRecordBytes) {
        skipping = true;
        record++;
        pieces.push({ line: line + 1, record, end: { offset, line, record }, text: '', fault: tooLong });
      }
      if (skipping) {
        offset += rest.length;
        rest = Buffer.alloc(0);
      }
      return pieces;
    },
    end() {
      const pieces: Piece[] = [];
      if (rest.length > 0 || skipping) take(rest, 0, rest.length, rest.length, pieces);
      rest = Buffer.alloc(0);
      return pieces;
    },
  };
}
