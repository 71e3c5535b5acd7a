import { invalid } from '@eventsieve/contract/errors';

// Another one than that of a cursor that holds a position.
const version = 2;
const maxCharacters = 255;

/** A name, opaque: where a list by name goes on. */
export function encodeNameCursor(name: string): string {
  return Buffer.concat([Buffer.of(version), Buffer.from(name)]).toString('base64url');
}

export function decodeNameCursor(cursor: string): string {
  const name = /^[A-Za-z0-9_-]{2,1400}$/.test(cursor) ? nameOf(Buffer.from(cursor, 'base64url')) : undefined;
  if (name === undefined) throw invalid([{ field: 'cursor', message: 'is not a cursor of this list' }]);
  return name;
}

function nameOf(bytes: Buffer): string | undefined {
  const name = bytes.toString('utf8', 1);
  // Only what comes out as it went in is a name.
  const whole = Buffer.from(name).equals(bytes.subarray(1));
  return bytes[0] === version && whole && !name.includes('\0') && [...name].length <= maxCharacters ? name : undefined;
}
