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
const maxVarintBytes = 10;
const messageIdCharacters = 22;
const maxSubjectsKept = 10_000;

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
  const body = Buffer.allocUnsafe(contentBytes(event) + 1 + maxVarintBytes);
  // The part of a copy that makes it the same as another: everything but the timestamp, which publishers stamp anew.
  const contentEnd = writeContent(body, event);
  const end = writeTimestamp(body, contentEnd, event.timestampUs);
  // Lengths are part of the encoding, so no two contents give the same bytes. 22 characters of 6 bits are 132 bits.
  const id = hash('sha256', body.subarray(0, contentEnd), 'base64url');
  const withId = Buffer.from(headers.broker);
  withId.write(id.slice(0, messageIdCharacters), messageIdAt, 'latin1');
  return { subject: subjectOf(event.topic, eventSubjectPrefix), body: body.subarray(0, end), header: withId };
}

/** A STORED copy. It has no message id, since Postgres judges it, but says where its verdict is waited for. */
export function encodeStoredCopy(
  event: ValidEvent,
  eventSubjectPrefix: string,
  replyTo: string,
  ticket: bigint,
  headers: CopyHeaders = plainHeaders,
): OutgoingMessage {
  const body = Buffer.allocUnsafe(contentBytes(event) + 4 * (1 + maxVarintBytes) + replyTo.length);
  let at = writeTimestamp(body, writeContent(body, event), event.timestampUs);
  body[at++] = (field.replyTo << 3) | delimited;
  at = writeVarint(body, at, replyTo.length);
  at += body.write(replyTo, at, 'latin1');
  body[at++] = (field.ticket << 3) | varint;
  at = writeBigVarint(body, at, ticket);
  return {
    subject: subjectOf(event.topic, eventSubjectPrefix),
    body: body.subarray(0, at),
    header: headers.stored,
  };
}

const subjects = new Map<string, string>();

/** Topics are few and come again and again. */
function subjectOf(topic: Uint8Array, prefix: string): string {
  const key = prefix + Buffer.from(topic.buffer, topic.byteOffset, topic.length).toString('latin1');
  let subject = subjects.get(key);
  if (subject === undefined) {
    subject = prefix + encodeTopic(topic);
    if (subjects.size >= maxSubjectsKept) subjects.clear();
    subjects.set(key, subject);
  }
  return subject;
}

const contentBytes = ({ topic, eventId, source, payload }: ValidEvent) =>
  topic.length + eventId.length + source.length + payload.length + 4 * (1 + maxVarintBytes);

function writeContent(body: Buffer, { topic, eventId, source, payload }: ValidEvent): number {
  let at = writeBytes(body, 0, field.topic, topic);
  at = writeBytes(body, at, field.eventId, eventId);
  at = writeBytes(body, at, field.source, source);
  return writeBytes(body, at, field.payload, payload);
}

function writeBytes(body: Buffer, from: number, number: number, bytes: Uint8Array): number {
  body[from] = (number << 3) | delimited;
  const at = writeVarint(body, from + 1, bytes.length);
  body.set(bytes, at);
  return at + bytes.length;
}

function writeTimestamp(body: Buffer, from: number, us: bigint): number {
  body[from] = (field.timestampUs << 3) | varint;
  // sint64: a small number, whatever its sign, is a short one.
  return writeBigVarint(body, from + 1, us >= 0n ? us * 2n : us * -2n - 1n);
}

function writeVarint(body: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) body[at++] = (rest & 0x7f) | 0x80;
  body[at++] = rest;
  return at;
}

const lowBits = 28n;

/** Never negative. By parts that are plain numbers: arithmetic on bigints costs more than all the rest of a field. */
function writeBigVarint(body: Buffer, from: number, value: bigint): number {
  let at = from;
  let rest = value;
  for (; rest >> lowBits > 0n; rest >>= lowBits) {
    let part = Number(rest & 0xfff_ffffn);
    for (let i = 0; i < 4; i++, part >>>= 7) body[at++] = (part & 0x7f) | 0x80;
  }
  return writeVarint(body, at, Number(rest));
}
