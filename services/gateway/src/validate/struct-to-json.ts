import { isUtf8 } from 'node:buffer';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { pathText } from '@eventsieve/runtime/json-text';
import { growsTooLong, growthOf } from '@eventsieve/runtime/json-text-number';

/** What is wrong inside a payload, and where: `items[2].price`; an empty path is the payload itself. */
export class PayloadFault extends Error {
  readonly path: string;

  constructor(place: Place | undefined, message: string) {
    super(message);
    const steps: (string | number)[] = [];
    for (let at = place; at !== undefined; at = at.around) steps.push(at.step);
    this.path = pathText(steps.reverse());
  }
}

/** Where a value is; made into text only for a fault. */
interface Place {
  readonly around: Place | undefined;
  readonly step: string | number;
}

interface Writing {
  /** How much longer numbers may still make the text once they are written out. */
  growthLeft: number;
}

// Field numbers of google/protobuf/struct.proto.
const structFields = 1;
const entryKey = 1;
const entryValue = 2;
const listValues = 1;
const value = { null: 1, number: 2, string: 3, bool: 4, struct: 5, list: 6 } as const;

/**
 * A google.protobuf.Struct, still encoded, as JSON text. Going by objects would be slower, would drop a "__proto__" key
 * in silence, would repair broken UTF-8 in silence, and would turn NaN into null.
 */
export function structToJson(
  bytes: Uint8Array,
  maxDepth: number,
  maxGrowth: number = Number.POSITIVE_INFINITY,
): string {
  return structText(bytes, undefined, maxDepth, { growthLeft: maxGrowth });
}

function structText(bytes: Uint8Array, place: Place | undefined, depthLeft: number, writing: Writing): string {
  if (depthLeft === 0) throw new PayloadFault(place, 'is nested too deeply');
  const reader = new BinaryReader(bytes);
  const members: [key: string, text: string][] = [];
  let sorted = true;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field !== structFields || type !== WireType.LengthDelimited) {
      reader.skip(type, field);
      continue;
    }
    const [key, encoded] = readEntry(reader.bytes(), place);
    const at = { around: place, step: key };
    const previous = members.at(-1);
    if (previous !== undefined && previous[0] > key) sorted = false;
    members.push([key, valueText(encoded, at, depthLeft - 1, writing)]);
  }
  // A map has no order on the wire, and some clients shuffle it at each sending: sorted, a repeat is the same text, and
  // the broker's window recognises it.
  if (!sorted) members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  let text = '{';
  for (const [key, value] of members) text += `${text.length === 1 ? '' : ','}${JSON.stringify(key)}:${value}`;
  return `${text}}`;
}

function readEntry(bytes: Uint8Array, place: Place | undefined): [key: string, encoded: Uint8Array] {
  const reader = new BinaryReader(bytes);
  let key: Uint8Array = new Uint8Array(0);
  let encoded: Uint8Array = new Uint8Array(0);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited && field === entryKey) key = reader.bytes();
    else if (type === WireType.LengthDelimited && field === entryValue) encoded = reader.bytes();
    else reader.skip(type, field);
  }
  const name = textOf(key, place, 'has a key that');
  if (name === '__proto__') throw new PayloadFault({ around: place, step: name }, 'must not be a key');
  return [name, encoded];
}

function valueText(bytes: Uint8Array, place: Place, depthLeft: number, writing: Writing): string {
  const reader = new BinaryReader(bytes);
  let text = 'null';
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === value.number && type === WireType.Bit64) text = numberText(reader.double(), place, writing);
    else if (field === value.string && type === WireType.LengthDelimited) {
      text = JSON.stringify(textOf(reader.bytes(), place, 'is a string that'));
    } else if (field === value.bool && type === WireType.Varint) text = reader.bool() ? 'true' : 'false';
    else if (field === value.struct && type === WireType.LengthDelimited)
      text = structText(reader.bytes(), place, depthLeft, writing);
    else if (field === value.list && type === WireType.LengthDelimited)
      text = listText(reader.bytes(), place, depthLeft, writing);
    else {
      reader.skip(type, field);
      if (field === value.null) text = 'null';
    }
  }
  return text;
}

function listText(bytes: Uint8Array, place: Place, depthLeft: number, writing: Writing): string {
  if (depthLeft === 0) throw new PayloadFault(place, 'is nested too deeply');
  const reader = new BinaryReader(bytes);
  let text = '[';
  for (let index = 0; reader.pos < reader.len; ) {
    const [field, type] = reader.tag();
    if (field !== listValues || type !== WireType.LengthDelimited) {
      reader.skip(type, field);
      continue;
    }
    const at = { around: place, step: index };
    text += `${index === 0 ? '' : ','}${valueText(reader.bytes(), at, depthLeft - 1, writing)}`;
    index++;
  }
  return `${text}]`;
}

function numberText(number: number, place: Place, writing: Writing): string {
  if (!Number.isFinite(number)) throw new PayloadFault(place, `is ${number}, which JSON cannot hold`);
  const text = JSON.stringify(number);
  if (text.includes('e')) {
    writing.growthLeft -= growthOf(number < 0 ? text.slice(1) : text);
    if (writing.growthLeft < 0) throw new PayloadFault(place, growsTooLong);
  }
  return text;
}

function textOf(bytes: Uint8Array, place: Place | undefined, what: string): string {
  if (!isUtf8(bytes)) throw new PayloadFault(place, `${what} is not valid UTF-8`);
  if (bytes.includes(0)) throw new PayloadFault(place, `${what} contains NUL`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}
