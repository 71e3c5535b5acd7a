import { scanValue } from './json-text-scan.js';
import { newScan, type Scan, skipSpace } from './json-text-state.js';

export interface PayloadFault {
  /** Such as `items[2].price`; empty when the payload itself is at fault. */
  readonly path: string;
  readonly message: string;
}

/**
 * Why this text cannot be kept as a payload, or undefined when it can: it is one JSON object (RFC 8259, to the letter),
 * and jsonb gives back what it says. Ours, since JSON.parse lets duplicate keys, NUL, lone surrogates and rounded
 * numbers through, and Postgres would refuse them only once they stand in a batch with others. Numbers come back written
 * out, where six characters may be a hundred thousand: what they take more than here is bounded as well.
 */
export function findPayloadFault(text: string, maxDepth: number, maxGrowth?: number): PayloadFault | undefined {
  const scan = newScan(text, true, maxDepth, maxGrowth);
  const first = skipSpace(scan);
  if (!scanValue(scan, 0)) return { path: pathText(scan.path.reverse()), message: scan.message };
  if (!atEnd(scan)) return { path: '', message: trailing(scan) };
  return first === 0x7b ? undefined : { path: '', message: 'must be a JSON object' };
}

/** Why this text is not one JSON value of any kind. Only the grammar is looked at. */
export function findJsonFault(text: string): PayloadFault | undefined {
  const scan = newScan(text, false, Number.POSITIVE_INFINITY);
  if (!scanValue(scan, 0)) return { path: pathText(scan.path.reverse()), message: scan.message };
  return atEnd(scan) ? undefined : { path: '', message: trailing(scan) };
}

export function atEnd(scan: Scan): boolean {
  return Number.isNaN(skipSpace(scan));
}

export function trailing(scan: Scan): string {
  return `is not valid JSON: something follows the value at offset ${scan.at}`;
}

const longestKey = 64;
// A path is in the headers of an answer, twice, and some gRPC clients take no more than 8 KiB of these.
const longestPath = 256;

/** `items[2].price`; a key that is no plain word stands in quotes, and a path stays short whatever the keys are. */
export function pathText(path: readonly (string | number)[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(step) && step.length <= longestKey) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step.length > longestKey ? `${step.slice(0, longestKey)}…` : step)}]`;
    if (text.length > longestPath) return `${text.slice(0, longestPath)}…`;
  }
  return text;
}
