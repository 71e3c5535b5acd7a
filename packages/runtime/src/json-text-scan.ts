import { scanNumber } from './json-text-number.js';
import { fail, failSyntax, type Scan, skipSpace, tooDeep } from './json-text-state.js';
import { decodeString, scanString } from './json-text-string.js';

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
