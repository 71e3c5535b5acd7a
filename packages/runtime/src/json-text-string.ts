import { fail, failSyntax, type Scan } from './json-text-state.js';

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
