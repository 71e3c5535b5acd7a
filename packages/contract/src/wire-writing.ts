/** Bytes that grow as something is written. */
export interface WireBuffer {
  bytes: Buffer;
  /** How many of them are written. */
  at: number;
}

export const newWireBuffer = (bytes: number): WireBuffer => ({ bytes: Buffer.allocUnsafe(bytes), at: 0 });

const maxVarintBytes = 10;
const bytesOfCharacter = 3;
// Up to here room for the worst case is cheaper than counting.
const fewCharacters = 4096;
const shortCharacters = 64;

export function makeRoom(wire: WireBuffer, more: number): void {
  const wanted = wire.at + more;
  if (wanted <= wire.bytes.length) return;
  const larger = Buffer.allocUnsafe(Math.max(wanted, wire.bytes.length * 2));
  wire.bytes.copy(larger, 0, 0, wire.at);
  wire.bytes = larger;
}

export function appendBytes(wire: WireBuffer, bytes: Buffer): void {
  makeRoom(wire, bytes.length);
  wire.at += bytes.copy(wire.bytes, wire.at);
}

export const writtenBytes = ({ bytes, at }: WireBuffer): Buffer => bytes.subarray(0, at);

/** A whole number from 0 to 2 ** 53. */
export function writeVarint(wire: WireBuffer, value: number): void {
  makeRoom(wire, maxVarintBytes);
  const { bytes } = wire;
  let at = wire.at;
  let rest = value;
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  for (; rest > 0x7f; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  wire.at = at;
}

/** An int64 that may be negative. */
export function writeInt64(wire: WireBuffer, value: number): void {
  if (value >= 0) {
    writeVarint(wire, value);
    return;
  }
  makeRoom(wire, maxVarintBytes);
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) wire.bytes[wire.at++] = Number(rest & 0x7fn) | 0x80;
  wire.bytes[wire.at++] = Number(rest);
}

export function writeText(wire: WireBuffer, tag: number, text: string): void {
  const { length } = text;
  if (length === 0) return;
  makeRoom(wire, 2 * maxVarintBytes + (length > fewCharacters ? Buffer.byteLength(text) : length * bytesOfCharacter));
  wire.bytes[wire.at++] = tag;
  const start = wire.at + varintBytes(length);
  const written = writeAscii(wire.bytes, start, text) ? length : wire.bytes.write(text, start);
  putLength(wire, start, written);
}

/** Faster than a call of native code, for names and small payloads. */
function writeAscii(bytes: Buffer, start: number, text: string): boolean {
  const { length } = text;
  if (length > shortCharacters) return false;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return false;
    bytes[start + index] = code;
  }
  return true;
}

/** Writes what `write` writes as one field, with its length before it. `guess`: about how long it will be. */
export function writeField<T>(
  wire: WireBuffer,
  tag: number,
  guess: number,
  write: (wire: WireBuffer, value: T) => void,
  value: T,
): void {
  makeRoom(wire, 2 * maxVarintBytes + guess);
  wire.bytes[wire.at++] = tag;
  const start = wire.at + varintBytes(guess);
  wire.at = start;
  write(wire, value);
  const length = wire.at - start;
  // The length may turn out to need more bytes than were left for it.
  makeRoom(wire, maxVarintBytes);
  wire.at = start - varintBytes(guess);
  putLength(wire, start, length);
}

/** Writes the length of what stands at `start`, which is moved when the place left for it does not fit. */
function putLength(wire: WireBuffer, start: number, length: number): void {
  const content = wire.at + varintBytes(length);
  if (content !== start) wire.bytes.copyWithin(content, start, start + length);
  writeVarint(wire, length);
  wire.at = content + length;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}
