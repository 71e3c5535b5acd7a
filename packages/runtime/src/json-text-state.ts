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
  /** How many more characters numbers may take once they are written out, than they take as they stand. */
  growthLeft: number;
}

export function newScan(
  text: string,
  strict: boolean,
  maxDepth: number,
  growthLeft: number = Number.POSITIVE_INFINITY,
): Scan {
  // Values nest on the stack, so there is a bound whatever was asked for.
  const depth = Math.min(maxDepth, 1000);
  // biome-ignore format: one literal, one shape; put together by spreading its members lie elsewhere
  return { text, strict, maxDepth: depth, at: 0, message: '', path: [], escaped: false, keys: [], keyTop: 0, growthLeft };
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

export function tooDeep(scan: Scan): false {
  return fail(scan, `is nested deeper than ${scan.maxDepth} levels`);
}
