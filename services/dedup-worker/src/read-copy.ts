import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';

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
export function readCopy(bytes: Uint8Array): Copy {
  const reading: Reading = { bytes, at: 0, sound: true };
  const topic = readBytes(reading, topicTag);
  const eventId = readBytes(reading, eventIdTag);
  const source = readBytes(reading, sourceTag);
  const payload = readBytes(reading, payloadTag);
  const zigzag = readNumber(reading, timestampTag);
  const waits = reading.at < bytes.length;
  const replyTo = waits ? readAscii(reading) : '';
  const ticket = waits ? readNumber(reading, ticketTag) : 0;
  if (!reading.sound || reading.at !== bytes.length) return Copy.decode(bytes);
  const timestampUs = BigInt(zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2);
  return { topic, eventId, source, payload, timestampUs, replyTo, ticket: BigInt(ticket) };
}

interface Reading {
  readonly bytes: Uint8Array;
  at: number;
  /** So far it is what was expected. */
  sound: boolean;
}

const none = new Uint8Array(0);

function readBytes(reading: Reading, tag: number): Uint8Array {
  const length = readNumber(reading, tag);
  const from = reading.at;
  if (!reading.sound || from + length > reading.bytes.length) {
    reading.sound = false;
    return none;
  }
  reading.at = from + length;
  return reading.bytes.subarray(from, reading.at);
}

function readAscii(reading: Reading): string {
  const bytes = readBytes(reading, replyToTag);
  let text = '';
  for (const byte of bytes) {
    if (byte > 0x7e) reading.sound = false;
    text += String.fromCharCode(byte);
  }
  return text;
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
