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
  const written = writtenLength(text, first, wholeEnd, mantissaEnd, end);
  if (written === undefined) return fail(scan, 'is a number that cannot be stored');
  scan.growthLeft -= Math.max(0, written - (end - first));
  return scan.growthLeft >= 0 || fail(scan, growsTooLong);
}

export const growsTooLong = 'makes the payload too long once its numbers are written out';

/** How many characters a number takes more once Postgres has written it out: 1e3 becomes 1000. Without a sign. */
export function growthOf(number: string): number {
  const mantissaEnd = number.search(/e|$/i);
  const point = number.indexOf('.');
  const wholeEnd = point < 0 ? mantissaEnd : point;
  const written = writtenLength(number, 0, wholeEnd, mantissaEnd, number.length) ?? Number.POSITIVE_INFINITY;
  return Math.max(0, written - number.length);
}

// What Postgres numeric holds (its documentation, "Arbitrary Precision Numbers").
const maxDigitsBeforePoint = 131_072;
const maxDigitsAfterPoint = 16_383;

/** The length of a number without an exponent, as Postgres gives it back; undefined when it cannot hold it. */
function writtenLength(
  text: string,
  first: number,
  wholeEnd: number,
  mantissaEnd: number,
  end: number,
): number | undefined {
  // Ten digits are beyond any exponent that fits, so the number below stays exact.
  const exponent = end === mantissaEnd ? 0 : Number(text.slice(mantissaEnd + 1, end));
  if (Math.abs(exponent) > 1_000_000_000) return undefined;
  const decimals = mantissaEnd === wholeEnd ? 0 : mantissaEnd - wholeEnd - 1;
  const after = Math.max(0, decimals - exponent);
  if (after > maxDigitsAfterPoint) return undefined;
  const fraction = after === 0 ? 0 : after + 1;
  let leading = first;
  while (leading < mantissaEnd && (text.charCodeAt(leading) === 0x30 || leading === wholeEnd)) leading++;
  if (leading === mantissaEnd) return 1 + fraction; // zero
  const before = (leading < wholeEnd ? wholeEnd - leading : wholeEnd + 1 - leading) + exponent;
  return before > maxDigitsBeforePoint ? undefined : Math.max(1, before) + fraction;
}
