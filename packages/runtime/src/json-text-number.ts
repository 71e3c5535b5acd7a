import { fail, failSyntax, type Scan } from './json-text-state.js';

function skipDigits(text: string, from: number): number {
  let at = from;
  for (let code = text.charCodeAt(at); code >= 0x30 && code <= 0x39; ) code = text.charCodeAt(++at);
  return at;
}

export function scanNumber(scan: Scan): boolean {
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
