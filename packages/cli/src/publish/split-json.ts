import { mostRecordBytes, type Piece, type Place, pieceOf, type Splitter, tooLong } from './piece.js';

const quote = 0x22;
const backslash = 0x5c;
const newline = 0x0a;
const comma = 0x2c;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;
const isSpace = (code: number) => code === 0x20 || code === newline || code === 0x0d || code === 0x09;

type Expecting = 'array' | 'first' | 'element' | 'comma' | 'nothing';

/** Records are the elements of an array, wherever they stand. What is wrong between two of them ends it. */
export function splitJsonArray(from: Place): Splitter {
  let expecting: Expecting = from.record === 0 ? 'array' : 'comma';
  let rest: Buffer = Buffer.alloc(0);
  /** Of rest[0]. */
  let { offset, line, record } = from;
  /** How much of the rest was looked at. */
  let seen = 0;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let elementLine = 0;
  let broken = false;

  function breakOff(fault: string, pieces: Piece[]): void {
    broken = true;
    const end = { offset, line, record: record + 1 };
    pieces.push({ line: line + 1, record: record + 1, end, text: '', fault });
  }

  /** What stands between elements; true: an element begins. */
  function between(code: number, pieces: Piece[]): boolean {
    if (code === newline) line++;
    if (isSpace(code)) return false;
    if (expecting === 'array' && code === openArray) expecting = 'first';
    else if (expecting === 'comma' && code === comma) expecting = 'element';
    else if ((expecting === 'comma' || expecting === 'first') && code === closeArray) expecting = 'nothing';
    else if (expecting === 'array') breakOff('is no JSON array: it must begin with [', pieces);
    else if (expecting === 'comma') breakOff('is not valid JSON: expected "," or "]" after the element', pieces);
    else if (expecting === 'nothing') breakOff('is not valid JSON: something follows the array', pieces);
    else if (code === comma || code === closeArray) breakOff('is not valid JSON: expected an element', pieces);
    else return true;
    return false;
  }

  /** Whether the element ends with this byte, before it, or not yet. */
  function within(code: number): 'with' | 'before' | 'later' {
    if (inString) {
      if (escaped) escaped = false;
      else if (code === backslash) escaped = true;
      else if (code === quote) inString = false;
      return !inString && depth === 0 ? 'with' : 'later';
    }
    if (code === quote) inString = true;
    else if (code === openObject || code === openArray) depth++;
    else if (depth === 0) return code === comma || code === closeArray || isSpace(code) ? 'before' : 'later';
    else if ((code === closeObject || code === closeArray) && --depth === 0) return 'with';
    if (code === newline) line++;
    return 'later';
  }

  return {
    push(chunk) {
      const pieces: Piece[] = [];
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const base = offset;
      let start = seen > 0 ? 0 : -1;
      for (let at = seen; at < bytes.length && !broken; at++) {
        const code = bytes[at] as number;
        if (start < 0) {
          offset = base + at;
          if (!between(code, pieces)) continue;
          start = at;
          elementLine = line + 1;
        }
        const ends = within(code);
        if (ends === 'later') continue;
        const end = ends === 'with' ? at + 1 : at;
        offset = base + end;
        pieces.push(pieceOf(bytes.subarray(start, end), elementLine, { offset, line, record: ++record }));
        start = -1;
        expecting = 'comma';
        if (ends === 'before') at--;
      }
      rest = start < 0 ? Buffer.alloc(0) : bytes.subarray(start);
      seen = rest.length;
      offset = base + bytes.length - rest.length;
      if (rest.length > mostRecordBytes && !broken) breakOff(tooLong, pieces);
      return pieces;
    },
    end() {
      const pieces: Piece[] = [];
      if (!broken && expecting !== 'nothing') breakOff('is not complete: the array is not closed', pieces);
      return pieces;
    },
  };
}
