import { isUtf8 } from 'node:buffer';

/** Where in a file something ends, as bytes once it is unpacked. */
export interface Place {
  readonly offset: number;
  /** Lines that are over. */
  readonly line: number;
  /** Records that are over: lines that are not blank, elements of an array, rows with the header. */
  readonly record: number;
}

export const beginning: Place = { offset: 0, line: 0, record: 0 };

/** One record of a file: an event, if it is a good one. */
export interface Piece {
  /** The line on which it begins, from 1. */
  readonly line: number;
  /** Its place among the records, from 1. */
  readonly record: number;
  /** Where one goes on after it. */
  readonly end: Place;
  readonly text: string;
  /** Why there is no text. */
  readonly fault?: string;
}

/** Takes a file apart as its bytes come; what is not complete yet is kept, up to a bound. */
export interface Splitter {
  push(bytes: Buffer): Piece[];
  end(): Piece[];
}

/** No gateway takes more in one request. */
export const mostRecordBytes = 16 * 1024 ** 2;
export const tooLong = `is longer than ${mostRecordBytes / 1024 ** 2} MiB`;

export function pieceOf(bytes: Buffer, line: number, end: Place): Piece {
  const place = { line, record: end.record, end };
  if (!isUtf8(bytes)) return { ...place, text: '', fault: 'is not valid UTF-8' };
  return { ...place, text: bytes.toString('utf8') };
}
