/** A walk over JSON text. Every function below moves `at` and returns false once `message` says what is wrong. */
export interface Scan {
  readonly text: string;
  /** Also hold the text to what Postgres and a JavaScript object can hold, not only to the grammar. */
  readonly strict: boolean;
  readonly maxDepth: number;
  at: number;
  message: string;
  /** Where the fault is, filled from the inside out: the common case pays nothing for it. */
  readonly path: (string | number)[];
  /** The string scanned last had a backslash in it. */
  escaped: boolean;
  /** Start and end of each key of the objects that are open. */
  readonly keys: number[];
  keyTop: number;
}

export function newScan(text: string, strict: boolean, maxDepth: number): Scan {
  // Values nest on the stack, so there is a bound whatever was asked for.
  const depth = Math.min(maxDepth, 1000);
  return { text, strict, maxDepth: depth, at: 0, message: '', path: [], escaped: false, keys: [], keyTop: 0 };
}

export function fail(scan: Scan, message: string): false {
  scan.message = message;
  return false;
}

export function failSyntax(scan: Scan, expected: string): false {
  const found = scan.at < scan.text.length ? '' : ', but the text ends';
  return fail(scan, `is not valid JSON: expected ${expected} at offset ${scan.at}${found}`);
}

/** The next character that is not white space; NaN at the end. */
export function skipSpace(scan: Scan): number {
  const { text } = scan;
  let { at } = scan;
  let code = text.charCodeAt(at);
  while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = text.charCodeAt(++at);
  scan.at = at;
  return code;
}

/** One value. `depth` is the number of containers around it. */
export function scanValue(scan: Scan, depth: number): boolean {
  switch (skipSpace(scan)) {
    case 0x22: // "
      return scanString(scan);
    case 0x7b: // {
      return scanObject(scan, depth + 1);
    case 0x5b: // [
      return scanArray(scan, depth + 1);
    case 0x74: // t
      return scanWord(scan, 'true');
    case 0x66: // f
      return scanWord(scan, 'false');
    case 0x6e: // n
      return scanWord(scan, 'null');
    default:
      return scanNumber(scan);
  }
}

function scanWord(scan: Scan, word: string): boolean {
  if (!scan.text.startsWith(word, scan.at)) return failSyntax(scan, 'a value');
  scan.at += word.length;
  return true;
}

export function tooDeep(scan: Scan): false {
  return fail(scan, `is nested deeper than ${scan.maxDepth} levels`);
}

function scanArray(scan: Scan, depth: number): boolean {
  if (depth > scan.maxDepth) return tooDeep(scan);
  scan.at++;
  if (skipSpace(scan) === 0x5d) {
    scan.at++;
    return true;
  }
  for (let index = 0; ; index++) {
    if (!scanValue(scan, depth)) {
      scan.path.push(index);
      return false;
    }
    const code = skipSpace(scan);
    if (code !== 0x2c && code !== 0x5d) return failSyntax(scan, '"," or "]"');
    scan.at++;
    if (code === 0x5d) return true;
  }
}

function scanObject(scan: Scan, depth: number): boolean {
  if (depth > scan.maxDepth) return tooDeep(scan);
  scan.at++;
  if (skipSpace(scan) === 0x7d) {
    scan.at++;
    return true;
  }
  const firstKey = scan.keyTop;
  let seen: Set<string> | undefined;
  for (;;) {
    if (skipSpace(scan) !== 0x22) return failSyntax(scan, 'a key in quotes');
    const start = scan.at;
    if (!scanString(scan)) return false;
    const end = scan.at;
    if (scan.strict) {
      const manyKeys = scan.keyTop - firstKey >= pairwiseKeys * 2;
      if (seen === undefined && (scan.escaped || manyKeys)) seen = decodedKeys(scan, firstKey);
      if (!acceptKey(scan, firstKey, start, end, seen)) {
        scan.path.push(decodeString(scan.text, start, end));
        return false;
      }
    }
    if (!scanColon(scan)) return false;
    if (!scanValue(scan, depth)) {
      scan.path.push(decodeString(scan.text, start, end));
      return false;
    }
    const code = skipSpace(scan);
    if (code !== 0x2c && code !== 0x7d) return failSyntax(scan, '"," or "}"');
    scan.at++;
    if (code === 0x7d) break;
  }
  scan.keyTop = firstKey;
  return true;
}

export function scanColon(scan: Scan): boolean {
  if (skipSpace(scan) !== 0x3a) return failSyntax(scan, '":"');
  scan.at++;
  return true;
}

// Up to so many keys are compared with each other in place; an object with more gets a Set.
const pairwiseKeys = 16;

function acceptKey(scan: Scan, firstKey: number, start: number, end: number, seen: Set<string> | undefined): boolean {
  const { text, keys } = scan;
  if (seen !== undefined) {
    const key = decodeString(text, start, end);
    if (key === '__proto__') return fail(scan, 'is a key that cannot be taken');
    if (seen.has(key)) return fail(scan, 'is a duplicate key');
    seen.add(key);
  } else {
    if (end - start === 11 && text.startsWith('__proto__', start + 1))
      return fail(scan, 'is a key that cannot be taken');
    for (let i = firstKey; i < scan.keyTop; i += 2) {
      if (sameText(text, keys[i] as number, keys[i + 1] as number, start, end)) return fail(scan, 'is a duplicate key');
    }
  }
  keys[scan.keyTop++] = start;
  keys[scan.keyTop++] = end;
  return true;
}

function sameText(text: string, start: number, end: number, otherStart: number, otherEnd: number): boolean {
  if (end - start !== otherEnd - otherStart) return false;
  for (let i = start, j = otherStart; i < end; i++, j++) {
    if (text.charCodeAt(i) !== text.charCodeAt(j)) return false;
  }
  return true;
}

function decodedKeys({ text, keys, keyTop }: Scan, firstKey: number): Set<string> {
  const decoded = new Set<string>();
  for (let i = firstKey; i < keyTop; i += 2) decoded.add(decodeString(text, keys[i] as number, keys[i + 1] as number));
  return decoded;
}

/** The string between the quotes at `start` and before `end`. */
export function decodeString(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1);
  return raw.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : raw;
}

export function scanString(scan: Scan): boolean {
  const { text } = scan;
  let at = scan.at + 1;
  scan.escaped = false;
  for (;;) {
    let code = text.charCodeAt(at);
    while (code >= 0x20 && code < 0xd800 && code !== 0x22 && code !== 0x5c) code = text.charCodeAt(++at);
    if (code === 0x22) {
      scan.at = at + 1;
      return true;
    }
    if (code === 0x5c) {
      scan.escaped = true;
      scan.at = at;
      if (!scanEscape(scan)) return false;
      at = scan.at;
    } else if (code > 0xdfff) {
      at++;
    } else if (code >= 0xd800) {
      const low = text.charCodeAt(at + 1);
      const paired = code <= 0xdbff && low >= 0xdc00 && low <= 0xdfff;
      if (!paired && scan.strict) return fail(scan, loneSurrogate);
      at += paired ? 2 : 1;
    } else {
      scan.at = at;
      if (code === 0) return fail(scan, nulCharacter);
      return code < 0x20
        ? fail(scan, `is not valid JSON: a control character stands unescaped at offset ${at}`)
        : failSyntax(scan, 'a closing quote');
    }
  }
}

const loneSurrogate = 'contains a lone surrogate';
const nulCharacter = 'contains a NUL character';
const plainEscapes = '"\\/bfnrt';

function scanEscape(scan: Scan): boolean {
  const { text, at } = scan;
  if (text.charCodeAt(at + 1) !== 0x75) {
    if (at + 1 >= text.length || !plainEscapes.includes(text.charAt(at + 1))) return failSyntax(scan, 'an escape');
    scan.at += 2;
    return true;
  }
  const unit = hex4(text, at + 2);
  if (unit < 0) return failSyntax(scan, 'four hex digits after \\u');
  scan.at += 6;
  if (!scan.strict) return true;
  if (unit === 0) return fail(scan, nulCharacter);
  if (unit < 0xd800 || unit > 0xdfff) return true;
  // Both halves of a pair are escaped, or none is.
  const low = text.startsWith('\\u', at + 6) ? hex4(text, at + 8) : -1;
  if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) return fail(scan, loneSurrogate);
  scan.at += 6;
  return true;
}

function hex4(text: string, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const code = text.charCodeAt(i);
    const lower = code | 0x20;
    if (code >= 0x30 && code <= 0x39) value = value * 16 + code - 0x30;
    else if (lower >= 0x61 && lower <= 0x66) value = value * 16 + lower - 0x57;
    else return -1;
  }
  return value;
}

function skipDigits(text: string, from: number): number {
  let at = from;
  for (let code = text.charCodeAt(at); code >= 0x30 && code <= 0x39; ) code = text.charCodeAt(++at);
  return at;
}

function scanNumber(scan: Scan): boolean {
  const { text } = scan;
  const first = text.charCodeAt(scan.at) === 0x2d ? scan.at + 1 : scan.at;
  const wholeEnd = text.charCodeAt(first) === 0x30 ? first + 1 : skipDigits(text, first);
  if (wholeEnd === first) {
    const what = first === scan.at ? 'a value' : 'a digit';
    scan.at = first;
    return failSyntax(scan, what);
  }
  let end = wholeEnd;
  if (text.charCodeAt(end) === 0x2e) {
    end = skipDigits(text, wholeEnd + 1);
    if (end === wholeEnd + 1) {
      scan.at = end;
      return failSyntax(scan, 'a digit');
    }
  }
  const mantissaEnd = end;
  if ((text.charCodeAt(end) | 0x20) === 0x65) {
    const sign = text.charCodeAt(end + 1);
    const digits = sign === 0x2b || sign === 0x2d ? end + 2 : end + 1;
    end = skipDigits(text, digits);
    if (end === digits) {
      scan.at = end;
      return failSyntax(scan, 'a digit');
    }
  }
  scan.at = end;
  // A short number without an exponent always fits.
  if (!scan.strict || (end === mantissaEnd && end - first < maxDigitsAfterPoint)) return true;
  if (fitsNumeric(text, first, wholeEnd, mantissaEnd, end)) return true;
  return fail(scan, 'is a number that cannot be stored');
}

// What Postgres numeric holds (its documentation, "Arbitrary Precision Numbers").
const maxDigitsBeforePoint = 131_072;
const maxDigitsAfterPoint = 16_383;

function fitsNumeric(text: string, first: number, wholeEnd: number, mantissaEnd: number, end: number): boolean {
  // Ten digits are beyond any exponent that fits, so the number below stays exact.
  const exponent = end === mantissaEnd ? 0 : Number(text.slice(mantissaEnd + 1, end));
  if (Math.abs(exponent) > 1_000_000_000) return false;
  const decimals = mantissaEnd === wholeEnd ? 0 : mantissaEnd - wholeEnd - 1;
  if (decimals - exponent > maxDigitsAfterPoint) return false;
  let leading = first;
  while (leading < mantissaEnd && (text.charCodeAt(leading) === 0x30 || leading === wholeEnd)) leading++;
  if (leading === mantissaEnd) return true; // zero
  const before = leading < wholeEnd ? wholeEnd - leading : wholeEnd + 1 - leading;
  return before + exponent <= maxDigitsBeforePoint;
}
