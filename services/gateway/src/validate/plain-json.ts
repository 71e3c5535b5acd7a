// Payloads are short and plain, nearly all of them: what is read here needs no text made of its bytes, and no second look.
// Where the reading stands; nothing of it outlives a call.
const nothing = new Uint8Array(0);
let bytes: Uint8Array = nothing;
let at = 0;
let deepest = 0;
/** Where each key of the objects that are open begins and ends. */
const keys = new Int32Array(256);
let keyTop = 0;

const mostKeys = 16;
const mostDigits = 256;
const refusedKey = Buffer.from('__proto__');

/**
 * Whether this is the text of one JSON object of printable ASCII, without a backslash, an exponent, a key twice, or more
 * than a few keys in an object. Then findPayloadFault finds nothing. What is not plain is its to judge.
 */
export function isPlainJson(text: Uint8Array, maxDepth: number): boolean {
  bytes = text;
  at = 0;
  deepest = Math.min(maxDepth, 64);
  keyTop = 0;
  const plain = skipSpace() === 0x7b && passObject(1) && Number.isNaN(skipSpace());
  bytes = nothing;
  return plain;
}

/** The next byte that is not white space, NaN at the end. */
function skipSpace(): number {
  let byte = at < bytes.length ? (bytes[at] as number) : Number.NaN;
  while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
    byte = ++at < bytes.length ? (bytes[at] as number) : Number.NaN;
  }
  return byte;
}

function passValue(depth: number): boolean {
  const first = skipSpace();
  switch (first) {
    case 0x22: // "
      return passString();
    case 0x7b: // {
      return passObject(depth + 1);
    case 0x5b: // [
      return passArray(depth + 1);
    case 0x74: // t
      return passWord(0x72, 0x75, 0x65);
    case 0x6e: // n
      return passWord(0x75, 0x6c, 0x6c);
    case 0x66: // f
      at++;
      return bytes[at] === 0x61 && passWord(0x6c, 0x73, 0x65);
    default:
      return passNumber();
  }
}

function passWord(second: number, third: number, fourth: number): boolean {
  const sound = bytes[at + 1] === second && bytes[at + 2] === third && bytes[at + 3] === fourth;
  at += 4;
  return sound;
}

function passString(): boolean {
  for (let place = at + 1; place < bytes.length; place++) {
    const byte = bytes[place] as number;
    if (byte === 0x22) {
      at = place + 1;
      return true;
    }
    if (byte < 0x20 || byte > 0x7e || byte === 0x5c) return false;
  }
  return false;
}

function passNumber(): boolean {
  const begin = at;
  if (bytes[at] === 0x2d) at++;
  const leadingZero = bytes[at] === 0x30;
  const digits = passDigits();
  if (digits === 0 || (leadingZero && digits > 1)) return false;
  if (bytes[at] === 0x2e) {
    at++;
    if (passDigits() === 0) return false;
  }
  // An exponent is nothing that may follow.
  return at - begin <= mostDigits;
}

function passDigits(): number {
  const begin = at;
  while (at < bytes.length && (bytes[at] as number) >= 0x30 && (bytes[at] as number) <= 0x39) at++;
  return at - begin;
}

function passArray(depth: number): boolean {
  if (depth > deepest) return false;
  at++;
  if (skipSpace() === 0x5d) {
    at++;
    return true;
  }
  for (;;) {
    if (!passValue(depth)) return false;
    const byte = skipSpace();
    at++;
    if (byte === 0x5d) return true;
    if (byte !== 0x2c) return false;
  }
}

function passObject(depth: number): boolean {
  if (depth > deepest) return false;
  at++;
  if (skipSpace() === 0x7d) {
    at++;
    return true;
  }
  const firstKey = keyTop;
  for (;;) {
    if (skipSpace() !== 0x22) return false;
    const begin = at;
    if (!passString() || !isNewKey(firstKey, begin, at)) return false;
    if (skipSpace() !== 0x3a) return false;
    at++;
    if (!passValue(depth)) return false;
    const byte = skipSpace();
    at++;
    if (byte === 0x7d) break;
    if (byte !== 0x2c) return false;
  }
  keyTop = firstKey;
  return true;
}

/** Both quotes belong to it. */
function isNewKey(firstKey: number, begin: number, end: number): boolean {
  if (keyTop - firstKey >= mostKeys * 2 || keyTop + 2 > keys.length) return false;
  for (let key = firstKey; key < keyTop; key += 2) {
    const other = keys[key] as number;
    if ((keys[key + 1] as number) - other === end - begin && sameBytes(bytes, other, bytes, begin, end - begin))
      return false;
  }
  const refused =
    end - begin === refusedKey.length + 2 && sameBytes(refusedKey, 0, bytes, begin + 1, refusedKey.length);
  keys[keyTop++] = begin;
  keys[keyTop++] = end;
  return !refused;
}

function sameBytes(one: Uint8Array, oneAt: number, other: Uint8Array, otherAt: number, length: number): boolean {
  for (let index = 0; index < length; index++) if (one[oneAt + index] !== other[otherAt + index]) return false;
  return true;
}
