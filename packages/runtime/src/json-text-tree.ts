import { atEnd, trailing } from './json-text.js';
import { scanColon, scanValue } from './json-text-scan.js';
import { fail, failSyntax, newScan, type Scan, skipSpace, tooDeep } from './json-text-state.js';
import { decodeString, scanString } from './json-text-string.js';

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';

/** A value and where it stands in the text, from `start` to before `end`. */
export interface JsonNode {
  readonly kind: JsonKind;
  readonly start: number;
  readonly end: number;
  /** Of an object that was taken apart: in their order, and a duplicate key as often as it stands there. */
  readonly members?: readonly JsonMember[];
  /** Of an array that was taken apart. */
  readonly items?: readonly JsonNode[];
}

export interface JsonMember {
  readonly key: string;
  readonly value: JsonNode;
}

/** Bounds on what is taken apart, so that a body of many tiny values does not become a tree many times its size. */
export interface TreeLimits {
  readonly maxDepth: number;
  readonly maxItems: number;
  readonly maxMembers: number;
  /** Leaves arrays in an outermost object whole. */
  readonly wholeLists?: boolean;
}

export interface TreeFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly tooManyItems: boolean;
}

/**
 * Reads the outside of a JSON text and leaves the source of every value where it is, so that no digit is lost. Taken
 * apart are the outermost value, arrays directly in an outermost object, and objects directly in an array that was
 * taken apart; all else is only held to the grammar.
 */
export function readJsonTree(text: string, limits: TreeLimits): { readonly node: JsonNode } | TreeFault {
  const scan = newScan(text, false, limits.maxDepth);
  const reading: Reading = { scan, limits, tooManyItems: false };
  const node = readNode(reading, 0, undefined);
  const { tooManyItems } = reading;
  if (node === undefined) return { path: scan.path.reverse(), message: scan.message, tooManyItems };
  if (!atEnd(scan)) return { path: [], message: trailing(scan), tooManyItems };
  return { node };
}

/** The value of a string node. A lone surrogate may be in it. */
export function stringOf(text: string, node: JsonNode): string {
  return decodeString(text, node.start, node.end);
}

export function sourceOf(text: string, node: JsonNode): string {
  return text.slice(node.start, node.end);
}

interface Reading {
  readonly scan: Scan;
  readonly limits: TreeLimits;
  tooManyItems: boolean;
}

function readNode(reading: Reading, depth: number, around: 'object' | 'array' | undefined): JsonNode | undefined {
  const { scan } = reading;
  const kind = kindOf(skipSpace(scan));
  const start = scan.at;
  if (kind === 'object' && around !== 'object') return readObject(reading, start, depth + 1);
  if (kind === 'array' && (depth === 0 || (depth === 1 && around === 'object' && !reading.limits.wholeLists))) {
    return readArray(reading, start, depth + 1);
  }
  return scanValue(scan, depth) ? { kind, start, end: scan.at } : undefined;
}

function kindOf(code: number): JsonKind {
  if (code === 0x22) return 'string';
  if (code === 0x7b) return 'object';
  if (code === 0x5b) return 'array';
  if (code === 0x74 || code === 0x66) return 'boolean';
  return code === 0x6e ? 'null' : 'number';
}

function readArray(reading: Reading, start: number, depth: number): JsonNode | undefined {
  const { scan, limits } = reading;
  if (depth > scan.maxDepth) return void tooDeep(scan);
  const items: JsonNode[] = [];
  scan.at++;
  if (skipSpace(scan) === 0x5d) scan.at++;
  else {
    for (;;) {
      if (items.length === limits.maxItems) {
        reading.tooManyItems = true;
        return void fail(scan, `holds more than ${limits.maxItems} values`);
      }
      const item = readNode(reading, depth, 'array');
      if (item === undefined) {
        scan.path.push(items.length);
        return undefined;
      }
      items.push(item);
      const code = skipSpace(scan);
      if (code !== 0x2c && code !== 0x5d) return void failSyntax(scan, '"," or "]"');
      scan.at++;
      if (code === 0x5d) break;
    }
  }
  return { kind: 'array', start, end: scan.at, items };
}

function readObject(reading: Reading, start: number, depth: number): JsonNode | undefined {
  const { scan, limits } = reading;
  if (depth > scan.maxDepth) return void tooDeep(scan);
  const members: JsonMember[] = [];
  scan.at++;
  if (skipSpace(scan) === 0x7d) scan.at++;
  else {
    for (;;) {
      if (members.length === limits.maxMembers) return void fail(scan, `has more than ${limits.maxMembers} members`);
      if (skipSpace(scan) !== 0x22) return void failSyntax(scan, 'a key in quotes');
      const keyStart = scan.at;
      if (!scanString(scan)) return undefined;
      const key = decodeString(scan.text, keyStart, scan.at);
      if (!scanColon(scan)) return undefined;
      const value = readNode(reading, depth, 'object');
      if (value === undefined) {
        scan.path.push(key);
        return undefined;
      }
      members.push({ key, value });
      const code = skipSpace(scan);
      if (code !== 0x2c && code !== 0x7d) return void failSyntax(scan, '"," or "}"');
      scan.at++;
      if (code === 0x7d) break;
    }
  }
  return { kind: 'object', start, end: scan.at, members };
}
