import { hash } from 'node:crypto';
import { encodeTopic, msgIdHeader } from '@eventsieve/contract/names';
import { traceparentHeader } from '@eventsieve/contract/traceparent';
import type { OutgoingMessage } from './publisher.js';
import type { ValidEvent } from './validate/validate-event.js';

// The fields of eventsieve.wire.v1.Copy. Written by hand, since this is done for each event, and with one allocation
// instead of a dozen; a test holds it against what the generated code reads.
const field = { topic: 1, eventId: 2, source: 3, payload: 4, timestampUs: 5, replyTo: 6, ticket: 7 } as const;
const varint = 0;
const delimited = 2;
const messageIdCharacters = 22;

const headersBegin = 'NATS/1.0\r\n';
const roomForMessageId = ' '.repeat(messageIdCharacters);
const messageIdLine = `${msgIdHeader}: ${roomForMessageId}\r\n`;
const messageIdAt = headersBegin.length + msgIdHeader.length + 2;

/** The headers of all messages of a call, made once for it. */
export interface CopyHeaders {
  /** With room for the message id. */
  readonly broker: Buffer;
  readonly stored: Buffer | undefined;
}

const plainHeaders: CopyHeaders = {
  broker: Buffer.from(`${headersBegin}${messageIdLine}\r\n`, 'latin1'),
  stored: undefined,
};

export function headersFor(traceparent: string | undefined): CopyHeaders {
  if (traceparent === undefined) return plainHeaders;
  const traceLine = `${traceparentHeader}: ${traceparent}\r\n`;
  return {
    broker: Buffer.from(`${headersBegin}${messageIdLine}${traceLine}\r\n`, 'latin1'),
    stored: Buffer.from(`${headersBegin}${traceLine}\r\n`, 'latin1'),
  };
}

/** A BROKER copy. Its message id lets the broker's window drop exact repeats, and only those. */
export function encodeBrokerCopy(
  event: ValidEvent,
  eventSubjectPrefix: string,
  headers: CopyHeaders = plainHeaders,
): OutgoingMessage {
  const timestamp = zigzag(event.timestampUs);
  // The part of a copy that makes it the same as another: everything but the timestamp, which publishers stamp anew.
  const contentEnd = contentBytes(event);
  const body = Buffer.allocUnsafe(contentEnd + 1 + partsBytes(timestamp));
  writeTimestamp(body, writeContent(body, event), timestamp);
  // Lengths are part of the encoding, so no two contents give the same bytes. 22 characters of 6 bits are 132 bits.
  const id = hash('sha256', body.subarray(0, contentEnd), 'base64url');
  const withId = Buffer.allocUnsafe(headers.broker.length);
  withId.set(headers.broker);
  for (let index = 0; index < messageIdCharacters; index++) withId[messageIdAt + index] = id.charCodeAt(index);
  return { subject: subjectOf(event.topic, eventSubjectPrefix), body, header: withId };
}

/** A STORED copy. It has no message id, since Postgres judges it, but says where its verdict is waited for. */
export function encodeStoredCopy(
  event: ValidEvent,
  eventSubjectPrefix: string,
  replyTo: string,
  ticket: bigint,
  headers: CopyHeaders = plainHeaders,
): OutgoingMessage {
  const timestamp = zigzag(event.timestampUs);
  const waiting = 1 + varintBytes(replyTo.length) + replyTo.length + 1 + varintBytes(Number(ticket));
  const body = Buffer.allocUnsafe(contentBytes(event) + 1 + partsBytes(timestamp) + waiting);
  let at = writeTimestamp(body, writeContent(body, event), timestamp);
  body[at++] = (field.replyTo << 3) | delimited;
  at = writeVarint(body, at, replyTo.length);
  for (let index = 0; index < replyTo.length; index++) body[at++] = replyTo.charCodeAt(index);
  body[at++] = (field.ticket << 3) | varint;
  writeVarint(body, at, Number(ticket));
  return { subject: subjectOf(event.topic, eventSubjectPrefix), body, header: headers.stored };
}

interface KnownSubject {
  readonly topic: Uint8Array;
  readonly prefix: string;
  readonly subject: string;
}

// One for each hash of a topic: another topic of the same hash takes its place.
const known: (KnownSubject | undefined)[] = new Array(4096).fill(undefined);

/** Topics are few and come again and again. */
function subjectOf(topic: Uint8Array, prefix: string): string {
  let hashed = topic.length;
  for (let index = 0; index < topic.length; index++) hashed = Math.imul(hashed, 31) + (topic[index] as number);
  const place = hashed & (known.length - 1);
  const found = known[place];
  if (found !== undefined && found.prefix === prefix && sameBytes(found.topic, topic)) return found.subject;
  const subject = prefix + encodeTopic(topic);
  known[place] = { topic: Uint8Array.from(topic), prefix, subject };
  return subject;
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}

const contentBytes = ({ topic, eventId, source, payload }: ValidEvent) =>
  fieldBytes(topic) + fieldBytes(eventId) + fieldBytes(source) + fieldBytes(payload);

const fieldBytes = ({ length }: Uint8Array) => 1 + varintBytes(length) + length;

function writeContent(body: Buffer, { topic, eventId, source, payload }: ValidEvent): number {
  let at = writeBytes(body, 0, field.topic, topic);
  at = writeBytes(body, at, field.eventId, eventId);
  at = writeBytes(body, at, field.source, source);
  return writeBytes(body, at, field.payload, payload);
}

// Up to here a loop is faster than `set`.
const loopBytes = 48;

function writeBytes(body: Buffer, from: number, number: number, bytes: Uint8Array): number {
  body[from] = (number << 3) | delimited;
  const at = writeVarint(body, from + 1, bytes.length);
  if (bytes.length > loopBytes) body.set(bytes, at);
  else for (let index = 0; index < bytes.length; index++) body[at + index] = bytes[index] as number;
  return at + bytes.length;
}

/** The 28 bits that four bytes of a varint hold, and what is above them. */
interface Parts {
  readonly high: number;
  readonly low: number;
}

const lowBits = 28n;
const lowRange = 2 ** 28;
const doubledExactly = 2 ** 52;

/** sint64: a small number, whatever its sign, is a short one. Arithmetic on bigints costs more than all the rest of it. */
function zigzag(us: bigint): Parts {
  const micros = Number(us);
  if (Math.abs(micros) < doubledExactly) {
    const doubled = micros >= 0 ? micros * 2 : micros * -2 - 1;
    const high = Math.floor(doubled / lowRange);
    return { high, low: doubled - high * lowRange };
  }
  const doubled = us >= 0n ? us * 2n : us * -2n - 1n;
  return { high: Number(doubled >> lowBits), low: Number(BigInt.asUintN(28, doubled)) };
}

const partsBytes = ({ high, low }: Parts) => (high === 0 ? varintBytes(low) : 4 + varintBytes(high));

function writeTimestamp(body: Buffer, from: number, { high, low }: Parts): number {
  body[from] = (field.timestampUs << 3) | varint;
  let at = from + 1;
  if (high === 0) return writeVarint(body, at, low);
  for (let shift = 0; shift < 28; shift += 7) body[at++] = ((low >>> shift) & 0x7f) | 0x80;
  return writeVarint(body, at, high);
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/** Never negative, and below 2 ** 53. */
function writeVarint(body: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 0x80)) body[at++] = (rest % 0x80) | 0x80;
  for (; rest > 0x7f; rest >>>= 7) body[at++] = (rest & 0x7f) | 0x80;
  body[at++] = rest;
  return at;
}
