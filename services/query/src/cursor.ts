import { invalid } from '@eventsieve/contract/errors';

// A version, so that a later cursor may hold something else.
const version = 1;

/** A position, opaque: nothing else of the request is in it, so it is good for any limit. */
export function encodeCursor(position: bigint): string {
  const bytes = Buffer.alloc(9);
  bytes.writeUInt8(version);
  bytes.writeBigInt64BE(position, 1);
  return bytes.toString('base64url');
}

export function decodeCursor(cursor: string): bigint {
  const bytes = /^[A-Za-z0-9_-]{12}$/.test(cursor) ? Buffer.from(cursor, 'base64url') : undefined;
  const position = bytes?.readUInt8() === version ? bytes.readBigInt64BE(1) : -1n;
  if (position < 0n) throw invalid([{ field: 'cursor', message: 'is not a cursor of this service' }]);
  return position;
}
