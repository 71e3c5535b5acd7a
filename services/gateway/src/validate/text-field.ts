import { isUtf8 } from 'node:buffer';

export const maxTextCharacters = 255;

/** What is wrong with a topic, event_id or source, or undefined. */
export function textFault(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return 'is required and must not be empty';
  if (isPlain(bytes)) return tooLong(bytes.length);
  if (!isUtf8(bytes)) return 'is not valid UTF-8';
  let characters = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte < 0x20 || byte === 0x7f) return 'must not contain control characters';
    // U+0080 to U+009F, the other control characters, in UTF-8.
    if (byte === 0xc2 && (bytes[i + 1] as number) < 0xa0) return 'must not contain control characters';
    // Every byte but a continuation begins a character.
    if ((byte & 0xc0) !== 0x80) characters++;
  }
  return tooLong(characters);
}

/** Printable ASCII, as nearly all of them are: then there is nothing to ask Node for. */
function isPlain(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte < 0x20 || byte > 0x7e) return false;
  }
  return true;
}

const tooLong = (characters: number) =>
  characters > maxTextCharacters ? `must be at most ${maxTextCharacters} characters, but has ${characters}` : undefined;
