import { type PublishResponse, PublishResult } from '@eventsieve/contract/gen/eventsieve/v1/ingest';

/** A PublishResponse whose names are the bytes that came. */
export interface Answer extends Omit<PublishResponse, 'results'> {
  readonly results: readonly AnsweredEvent[];
}

export interface AnsweredEvent extends Omit<PublishResult, 'topic' | 'eventId'> {
  readonly topic: Uint8Array;
  readonly eventId: Uint8Array;
}

// Tags of a response and of a result: field number and wire type.
const receivedTag = 0x08;
const acceptedTag = 0x10;
const insertedTag = 0x18;
const duplicatesTag = 0x20;
const conflictsTag = 0x28;
const rejectedTag = 0x30;
const resultTag = 0x3a;
const topicTag = 0x0a;
const eventIdTag = 0x12;
const outcomeTag = 0x18;
const positionTag = 0x20;
const maxVarintBytes = 10;
const countsBytes = 6 * (1 + maxVarintBytes);
const resultBytes = 40;

/**
 * The same as PublishResponse.encode, without text on the way from bytes to bytes. A result is a name, an outcome and a
 * position in nearly every case; those are written here, into one buffer, and the others by the generated code.
 */
export function writeResponse(response: Answer): Buffer {
  const { results } = response;
  let room = countsBytes;
  for (const { topic, eventId } of results) room += resultBytes + topic.length + eventId.length;
  let bytes = Buffer.allocUnsafe(room);
  let at = writeCount(bytes, 0, receivedTag, response.received);
  at = writeCount(bytes, at, acceptedTag, response.accepted);
  at = writeCount(bytes, at, insertedTag, response.inserted);
  at = writeCount(bytes, at, duplicatesTag, response.duplicates);
  at = writeCount(bytes, at, conflictsTag, response.conflicts);
  at = writeCount(bytes, at, rejectedTag, response.rejected);
  for (const result of results) {
    if (result.firstSeenAt === undefined && result.error === undefined) {
      at = writePlainResult(bytes, at, result);
      continue;
    }
    const names = { topic: String(Buffer.from(result.topic)), eventId: String(Buffer.from(result.eventId)) };
    const encoded = PublishResult.encode({ ...result, ...names }).finish();
    if (bytes.length - at < encoded.length + room) bytes = Buffer.concat([bytes, Buffer.alloc(encoded.length + room)]);
    at = writeVarint(bytes, writeByte(bytes, at, resultTag), encoded.length);
    bytes.set(encoded, at);
    at += encoded.length;
  }
  return bytes.subarray(0, at);
}

const writeCount = (bytes: Buffer, at: number, tag: number, count: number): number =>
  count === 0 ? at : writeVarint(bytes, writeByte(bytes, at, tag), count);

function writePlainResult(bytes: Buffer, from: number, { topic, eventId, outcome, position }: AnsweredEvent): number {
  // Its length stands before it: two bytes hold that of any name that is taken.
  const start = from + 3;
  let at = writeText(bytes, start, topicTag, topic);
  at = writeText(bytes, at, eventIdTag, eventId);
  if (outcome !== 0) at = writeVarint(bytes, writeByte(bytes, at, outcomeTag), outcome);
  if (position !== 0n) at = writeVarint(bytes, writeByte(bytes, at, positionTag), Number(position));
  const length = at - start;
  bytes[from] = resultTag;
  bytes[from + 1] = (length & 0x7f) | 0x80;
  bytes[from + 2] = length >>> 7;
  return at;
}

function writeText(bytes: Buffer, from: number, number: number, text: Uint8Array): number {
  const { length } = text;
  if (length === 0) return from;
  const start = from + 3;
  bytes.set(text, start);
  bytes[from] = number;
  bytes[from + 1] = (length & 0x7f) | 0x80;
  bytes[from + 2] = length >>> 7;
  return start + length;
}

function writeByte(bytes: Buffer, at: number, byte: number): number {
  bytes[at] = byte;
  return at + 1;
}

/** Never negative, and below 2 ** 53, as positions are. */
function writeVarint(bytes: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  bytes[at++] = rest;
  return at;
}
