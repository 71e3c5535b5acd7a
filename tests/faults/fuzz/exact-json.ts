import { isDeepStrictEqual } from 'node:util';

const token = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

/**
 * Two JSON texts as values, with every digit of their numbers. Numbers become text before JSON.parse could round them,
 * and keys get a letter in front, so that "__proto__" is one like any other. Of a key that stands twice the last counts,
 * as in jsonb.
 */
export function sameJson(a: string, b: string): boolean {
  return a === b || isDeepStrictEqual(exactValue(a), exactValue(b));
}

function exactValue(text: string): unknown {
  return JSON.parse(
    text.replace(token, (each) => (each.startsWith('"') ? `"s${each.slice(1)}` : `"n${plainNumber(each)}"`)),
  );
}

/** Sign, digits without zeros around them, and the power of ten of the last one: the same for the same number. */
export function plainNumber(text: string): string {
  const [, sign = '', whole = '', decimals = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = (whole + decimals).replace(/^0+/, '');
  const kept = digits.replace(/0+$/, '');
  if (kept === '') return '0';
  return `${sign}${kept}e${BigInt(exponent) - BigInt(decimals.length - (digits.length - kept.length))}`;
}
