import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';

/**
 * A copy as it lies in its message. Thousands of them wait for a commit at once, and an array for each of their texts
 * would be moved about by the garbage collector several times until then: so they stay where they are.
 */
export interface CopyInPlace {
  readonly bytes: Uint8Array;
  readonly topicAt: number;
  readonly topicEnd: number;
  readonly eventIdAt: number;
  readonly eventIdEnd: number;
  readonly sourceAt: number;
  readonly sourceEnd: number;
  readonly payloadAt: number;
  readonly payloadEnd: number;
  readonly timestampUs: bigint;
  readonly replyTo: string;
  readonly ticket: bigint;
}

/** Its texts on their own, for what happens seldom. */
export function textsOf(copy: CopyInPlace): Pick<Copy, 'topic' | 'eventId' | 'source' | 'payload'> {
  const { bytes } = copy;
  return {
    topic: bytes.subarray(copy.topicAt, copy.topicEnd),
    eventId: bytes.subarray(copy.eventIdAt, copy.eventIdEnd),
    source: bytes.subarray(copy.sourceAt, copy.sourceEnd),
    payload: bytes.subarray(copy.payloadAt, copy.payloadEnd),
  };
}

// The tags of a copy as the gateway writes it: fields 1 to 4 are bytes, then the timestamp, and where somebody waits.
const topicTag = 0x0a;
const eventIdTag = 0x12;
const sourceTag = 0x1a;
const payloadTag = 0x22;
const timestampTag = 0x28;
const replyToTag = 0x32;
const ticketTag = 0x38;

/**
 * The same as Copy.decode, for what nearly every message is: the fields in their order, each once. The generated code
 * makes nine objects on the way, for each event of a batch. Whatever else comes is its to judge.
 */
export function readCopy(bytes: Uint8Array): CopyInPlace {
  const reading: Reading = { bytes, at: 0, sound: true };
  const topicAt = enterText(reading, topicTag);
  const topicEnd = reading.at;
  const eventIdAt = enterText(reading, eventIdTag);
  const eventIdEnd = reading.at;
  const sourceAt = enterText(reading, sourceTag);
  const sourceEnd = reading.at;
  const payloadAt = enterText(reading, payloadTag);
  const payloadEnd = reading.at;
  const zigzag = readNumber(reading, timestampTag);
  const waits = reading.at < bytes.length;
  const replyTo = waits ? readReplyTo(reading) : '';
  const ticket = waits ? BigInt(readNumber(reading, ticketTag)) : 0n;
  if (!reading.sound || reading.at !== bytes.length) return placed(Copy.decode(bytes));
  const timestampUs = BigInt(zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2);
  // biome-ignore format: one literal, one shape
  return {
    bytes, topicAt, topicEnd, eventIdAt, eventIdEnd, sourceAt, sourceEnd, payloadAt, payloadEnd,
    timestampUs, replyTo, ticket,
  };
}

function placed({ topic, eventId, source, payload, timestampUs, replyTo, ticket }: Copy): CopyInPlace {
  const topicEnd = topic.length;
  const eventIdEnd = topicEnd + eventId.length;
  const sourceEnd = eventIdEnd + source.length;
  const payloadEnd = sourceEnd + payload.length;
  // biome-ignore format: one literal, one shape
  return {
    bytes: Buffer.concat([topic, eventId, source, payload]),
    topicAt: 0, topicEnd, eventIdAt: topicEnd, eventIdEnd, sourceAt: eventIdEnd, sourceEnd,
    payloadAt: sourceEnd, payloadEnd, timestampUs, replyTo, ticket,
  };
}

interface Reading {
  readonly bytes: Uint8Array;
  at: number;
  /** So far it is what was expected. */
  sound: boolean;
}

/** Goes past a text, and says where it begins. */
function enterText(reading: Reading, tag: number): number {
  const length = readNumber(reading, tag);
  const from = reading.at;
  if (!reading.sound || from + length > reading.bytes.length) {
    reading.sound = false;
    return 0;
  }
  reading.at = from + length;
  return from;
}

// Copies that wait come from a few gateways: an address is nearly always that of the copy before.
let latestReplyTo = '';

function readReplyTo(reading: Reading): string {
  const from = enterText(reading, replyToTag);
  const { bytes, at, sound } = reading;
  if (!sound) return '';
  if (isLatestReplyTo(bytes, from, at)) return latestReplyTo;
  for (let index = from; index < at; index++) if ((bytes[index] as number) > 0x7e) reading.sound = false;
  if (reading.sound) latestReplyTo = Buffer.from(bytes.subarray(from, at)).toString('latin1');
  return latestReplyTo;
}

function isLatestReplyTo(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from !== latestReplyTo.length) return false;
  for (let index = from; index < to; index++) {
    if (bytes[index] !== latestReplyTo.charCodeAt(index - from)) return false;
  }
  return true;
}

/** A tag and a varint below 2 ** 53. */
function readNumber(reading: Reading, tag: number): number {
  const { bytes } = reading;
  let { at } = reading;
  if (bytes[at++] !== tag) reading.sound = false;
  let value = 0;
  let unit = 1;
  for (;;) {
    const byte = bytes[at++];
    if (byte === undefined || value + (byte & 0x7f) * unit > Number.MAX_SAFE_INTEGER) {
      reading.sound = false;
      return 0;
    }
    value += (byte & 0x7f) * unit;
    if (byte < 0x80) break;
    unit *= 0x80;
  }
  reading.at = at;
  return value;
}
