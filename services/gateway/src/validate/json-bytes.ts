import { isUtf8 } from 'node:buffer';

/** JSON text under way, as the bytes that go on the wire: strings out of and into UTF-8 would cost more than all the rest. */
export interface JsonBytes {
  bytes: Buffer;
  length: number;
}

const firstBytes = 16 * 1024;
/** What one large payload has made it is not kept for the many small ones. */
const keptBytes = 1024 * 1024;

export const createJsonBytes = (): JsonBytes => ({ bytes: Buffer.allocUnsafe(firstBytes), length: 0 });

/** The text alone; what it was written into serves the next one. */
export function takeJson(out: JsonBytes): Buffer {
  const text = Buffer.allocUnsafe(out.length);
  out.bytes.copy(text, 0, 0, out.length);
  out.length = 0;
  if (out.bytes.length > keptBytes) out.bytes = Buffer.allocUnsafe(firstBytes);
  return text;
}

function reserve(out: JsonBytes, more: number): void {
  const wanted = out.length + more;
  if (wanted <= out.bytes.length) return;
  const larger = Buffer.allocUnsafe(Math.max(wanted, out.bytes.length * 2));
  out.bytes.copy(larger, 0, 0, out.length);
  out.bytes = larger;
}

export function writeAscii(out: JsonBytes, text: string): void {
  reserve(out, text.length);
  const { bytes } = out;
  let at = out.length;
  for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
  out.length = at;
}

export function writeByte(out: JsonBytes, byte: number): void {
  reserve(out, 1);
  out.bytes[out.length++] = byte;
}

const quote = 0x22;
const backslash = 0x5c;

/** A piece of UTF-8 as a JSON string. Says what is wrong with it, or undefined. */
export function writeString(out: JsonBytes, input: Uint8Array, from: number, to: number): string | undefined {
  reserve(out, to - from + 2);
  const { bytes } = out;
  let at = out.length;
  bytes[at++] = quote;
  for (let i = from; i < to; i++) {
    const byte = input[i] as number;
    if (byte < 0x20 || byte > 0x7e || byte === quote || byte === backslash) return writeAnyString(out, input, from, to);
    bytes[at++] = byte;
  }
  bytes[at++] = quote;
  out.length = at;
  return undefined;
}

/** The same with whatever is not plain ASCII in it. */
function writeAnyString(out: JsonBytes, input: Uint8Array, from: number, to: number): string | undefined {
  const piece = input.subarray(from, to);
  if (!isUtf8(piece)) return 'is not valid UTF-8';
  if (piece.includes(0)) return 'contains NUL';
  const text = JSON.stringify(Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString());
  reserve(out, text.length * 3);
  out.length += out.bytes.write(text, out.length);
  return undefined;
}
