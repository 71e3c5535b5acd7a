import { atEnd, trailing } from './json-text.js';
import {
  decodeString,
  failSyntax,
  newScan,
  type Scan,
  scanColon,
  scanString,
  scanValue,
  skipSpace,
  tooDeep,
} from './json-text-scan.js';

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

export interface TreeOptions {
  /** How many levels of containers are taken apart. What is deeper is only checked for its grammar. */
  readonly levels: number;
  /** Members of this name are not taken apart at any level. */
  readonly opaque: string;
  readonly maxDepth: number;
}

export type TreeResult =
  | { readonly node: JsonNode }
  | { readonly path: readonly (string | number)[]; readonly message: string };

/** Reads the outer levels of a JSON text and leaves the source of every value where it is: no digit is lost. */
export function readJsonTree(text: string, options: TreeOptions): TreeResult {
  const scan = newScan(text, false, options.maxDepth);
  const node = readNode(scan, 0, options);
  if (node === undefined) return { path: scan.path.reverse(), message: scan.message };
  if (!atEnd(scan)) return { path: [], message: trailing(scan) };
  return { node };
}

/** The value of a string node. A lone surrogate may be in it. */
export function stringOf(text: string, node: JsonNode): string {
  return decodeString(text, node.start, node.end);
}

export function sourceOf(text: string, node: JsonNode): string {
  return text.slice(node.start, node.end);
}

function readNode(scan: Scan, depth: number, options: TreeOptions): JsonNode | undefined {
  const kind = kindOf(skipSpace(scan));
  const start = scan.at;
  if (depth < options.levels && (kind === 'object' || kind === 'array')) {
    if (depth + 1 > scan.maxDepth) return void tooDeep(scan);
    scan.at++;
    return kind === 'object' ? readObject(scan, start, depth + 1, options) : readArray(scan, start, depth + 1, options);
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

function readArray(scan: Scan, start: number, depth: number, options: TreeOptions): JsonNode | undefined {
  const items: JsonNode[] = [];
  if (skipSpace(scan) === 0x5d) scan.at++;
  else {
    for (;;) {
      const item = readNode(scan, depth, options);
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

function readObject(scan: Scan, start: number, depth: number, options: TreeOptions): JsonNode | undefined {
  const members: JsonMember[] = [];
  const opaque = { ...options, levels: 0 };
  if (skipSpace(scan) === 0x7d) scan.at++;
  else {
    for (;;) {
      if (skipSpace(scan) !== 0x22) return void failSyntax(scan, 'a key in quotes');
      const keyStart = scan.at;
      if (!scanString(scan)) return undefined;
      const key = decodeString(scan.text, keyStart, scan.at);
      if (!scanColon(scan)) return undefined;
      const value = readNode(scan, depth, key === options.opaque ? opaque : options);
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
