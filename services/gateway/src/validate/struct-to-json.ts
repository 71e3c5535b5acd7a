import { BinaryReader, type WireType } from '@bufbuild/protobuf/wire';
import { pathText } from '@eventsieve/runtime/json-text';
import { growsTooLong, growthOf } from '@eventsieve/runtime/json-text-number';
import { createJsonBytes, type JsonBytes, takeJson, writeAscii, writeByte, writeString } from './json-bytes.js';

/** What is wrong inside a payload, and where: `items[2].price`; an empty path is the payload itself. */
export class PayloadFault extends Error {
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** Where a value is: below a key, or at an index where there is no key. Made into text only for a fault. */
interface Place {
  readonly around: Place | undefined;
  readonly keyFrom: number;
  readonly keyTo: number;
  readonly index: number;
}

/** A member of a struct, found and not yet written. */
interface Member extends Place {
  readonly valueFrom: number;
  readonly valueTo: number;
}

/** One payload on its way. Positions are those in all of its bytes: no part of it is ever cut out. */
interface Walk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  readonly out: JsonBytes;
  /** How much longer numbers may still make the text once they are written out. */
  growthLeft: number;
}

// Tags of google/protobuf/struct.proto: field number, then wire type.
const delimited = 2;
const structEntry = (1 << 3) | delimited;
const entryKey = (1 << 3) | delimited;
const entryValue = (2 << 3) | delimited;
const listValue = (1 << 3) | delimited;
const nullField = 1;
const numberValue = (2 << 3) | 1;
const stringValue = (3 << 3) | delimited;
const boolValue = 4 << 3;
const structValue = (5 << 3) | delimited;
const arrayValue = (6 << 3) | delimited;

const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;
const colon = 0x3a;
const noIndex = -1;

// One payload at a time is walked, from its beginning to its end or its first fault.
const written = createJsonBytes();

/**
 * A google.protobuf.Struct, still encoded, as JSON text in UTF-8. Going by objects would be slower, would drop a
 * "__proto__" key in silence, would repair broken UTF-8 in silence, and would turn NaN into null.
 */
export function structToJson(
  bytes: Uint8Array,
  maxDepth: number,
  maxGrowth: number = Number.POSITIVE_INFINITY,
): Buffer {
  written.length = 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  writeStruct({ bytes, view, at: 0, out: written, growthLeft: maxGrowth }, bytes.length, undefined, maxDepth);
  return takeJson(written);
}

function writeStruct(walk: Walk, end: number, place: Place | undefined, depthLeft: number): void {
  if (depthLeft === 0) throw fault(walk, place, 'is nested too deeply');
  const { bytes, out } = walk;
  const members: Member[] = [];
  let last: Member | undefined;
  let sorted = true;
  while (walk.at < end) {
    const tag = readVarint(walk, end);
    if (tag !== structEntry) {
      skip(walk, tag, end);
      continue;
    }
    const member = readEntry(walk, readEnd(walk, end), place);
    if (last !== undefined && compareKeys(bytes, last, member) > 0) sorted = false;
    members.push(member);
    last = member;
  }
  // A map has no order on the wire, and some clients shuffle it at each sending: sorted, a repeat is the same text, and
  // the broker's window recognises it.
  if (!sorted) putInOrder(bytes, members);
  writeByte(out, openBrace);
  for (let index = 0; index < members.length; index++) {
    if (index > 0) writeByte(out, comma);
    writeMember(walk, members[index] as Member, depthLeft - 1);
  }
  writeByte(out, closeBrace);
  walk.at = end;
}

const fewMembers = 24;

/** Members of one key stay in their order. */
function putInOrder(bytes: Uint8Array, members: Member[]): void {
  if (members.length > fewMembers) {
    members.sort((a, b) => compareKeys(bytes, a, b));
    return;
  }
  for (let index = 1; index < members.length; index++) {
    const member = members[index] as Member;
    let to = index;
    for (; to > 0 && compareKeys(bytes, members[to - 1] as Member, member) > 0; to--) {
      members[to] = members[to - 1] as Member;
    }
    members[to] = member;
  }
}

function compareKeys(bytes: Uint8Array, a: Place, b: Place): number {
  const length = Math.min(a.keyTo - a.keyFrom, b.keyTo - b.keyFrom);
  for (let i = 0; i < length; i++) {
    const difference = (bytes[a.keyFrom + i] as number) - (bytes[b.keyFrom + i] as number);
    if (difference !== 0) return difference;
  }
  return a.keyTo - a.keyFrom - (b.keyTo - b.keyFrom);
}

function readEntry(walk: Walk, end: number, around: Place | undefined): Member {
  let keyFrom = end;
  let keyTo = end;
  let valueFrom = end;
  let valueTo = end;
  while (walk.at < end) {
    const tag = readVarint(walk, end);
    if (tag === entryKey) {
      keyTo = readEnd(walk, end);
      keyFrom = walk.at;
      walk.at = keyTo;
    } else if (tag === entryValue) {
      valueTo = readEnd(walk, end);
      valueFrom = walk.at;
      walk.at = valueTo;
    } else skip(walk, tag, end);
  }
  return { around, keyFrom, keyTo, index: noIndex, valueFrom, valueTo };
}

function writeMember(walk: Walk, member: Member, depthLeft: number): void {
  const { bytes, out } = walk;
  const { around, keyFrom, keyTo } = member;
  const wrong = writeString(out, bytes, keyFrom, keyTo);
  if (wrong !== undefined) throw fault(walk, around, `has a key that ${wrong}`);
  if (keyTo - keyFrom === 9 && stepOf(bytes, member) === '__proto__') throw fault(walk, member, 'must not be a key');
  writeByte(out, colon);
  walk.at = member.valueFrom;
  writeValue(walk, member.valueTo, member, depthLeft);
}

/** Of several fields the last one is the value, as everywhere in protobuf. */
function writeValue(walk: Walk, end: number, place: Place, depthLeft: number): void {
  const { out, bytes, view } = walk;
  const from = out.length;
  while (walk.at < end) {
    const tag = readVarint(walk, end);
    if (tag === numberValue) {
      if (walk.at + 8 > end) throw new RangeError('a number ends too early');
      const number = view.getFloat64(walk.at, true);
      walk.at += 8;
      out.length = from;
      writeAscii(out, numberText(walk, number, place));
    } else if (tag === stringValue) {
      const to = readEnd(walk, end);
      out.length = from;
      const wrong = writeString(out, bytes, walk.at, to);
      if (wrong !== undefined) throw fault(walk, place, `is a string that ${wrong}`);
      walk.at = to;
    } else if (tag === boolValue) {
      out.length = from;
      writeAscii(out, readVarint(walk, end) === 0 ? 'false' : 'true');
    } else if (tag === structValue) {
      out.length = from;
      writeStruct(walk, readEnd(walk, end), place, depthLeft);
    } else if (tag === arrayValue) {
      out.length = from;
      writeList(walk, readEnd(walk, end), place, depthLeft);
    } else {
      skip(walk, tag, end);
      if (tag >>> 3 === nullField) out.length = from;
    }
  }
  if (out.length === from) writeAscii(out, 'null');
}

function writeList(walk: Walk, end: number, place: Place, depthLeft: number): void {
  if (depthLeft === 0) throw fault(walk, place, 'is nested too deeply');
  writeByte(walk.out, openBracket);
  for (let index = 0; walk.at < end; ) {
    const tag = readVarint(walk, end);
    if (tag !== listValue) {
      skip(walk, tag, end);
      continue;
    }
    if (index > 0) writeByte(walk.out, comma);
    const here = { around: place, keyFrom: 0, keyTo: 0, index };
    writeValue(walk, readEnd(walk, end), here, depthLeft - 1);
    index++;
  }
  writeByte(walk.out, closeBracket);
}

function fault({ bytes }: Walk, place: Place | undefined, message: string): PayloadFault {
  const steps: (string | number)[] = [];
  for (let at = place; at !== undefined; at = at.around) steps.push(stepOf(bytes, at));
  return new PayloadFault(pathText(steps.reverse()), message);
}

function stepOf(bytes: Uint8Array, { index, keyFrom, keyTo }: Place): string | number {
  return index === noIndex ? Buffer.from(bytes.subarray(keyFrom, keyTo)).toString() : index;
}

function numberText(walk: Walk, number: number, place: Place): string {
  if (!Number.isFinite(number)) throw fault(walk, place, `is ${number}, which JSON cannot hold`);
  const text = String(number);
  // Below that nothing is written with an exponent.
  if (!(Math.abs(number) >= 1e-6 && Math.abs(number) < 1e21) && text.includes('e')) {
    walk.growthLeft -= growthOf(number < 0 ? text.slice(1) : text);
    if (walk.growthLeft < 0) throw fault(walk, place, growsTooLong);
  }
  return text;
}

/** Tags, lengths and booleans; more than 32 bits of one say nothing here but that it is not zero. */
function readVarint(walk: Walk, end: number): number {
  const { bytes } = walk;
  let result = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    if (walk.at >= end) throw new RangeError('a varint ends too early');
    const byte = bytes[walk.at++] as number;
    if (shift < 28) result |= (byte & 0x7f) << shift;
    else if ((byte & 0x7f) !== 0) result = shift === 28 ? (result | (byte << 28)) >>> 0 : result || 1;
    if (byte < 0x80) return result;
  }
  throw new RangeError('a varint is too long');
}

/** Where what begins here ends. */
function readEnd(walk: Walk, end: number): number {
  const length = readVarint(walk, end);
  if (length > end - walk.at) throw new RangeError('a length goes beyond what is there');
  return walk.at + length;
}

/** What a later version may have added. */
function skip(walk: Walk, tag: number, end: number): void {
  const reader = new BinaryReader(walk.bytes.subarray(walk.at, end));
  if (tag >>> 3 === 0) throw new RangeError('a field has the number 0');
  reader.skip((tag & 7) as WireType, tag >>> 3);
  walk.at += reader.pos;
}
