import { type DoorEvent, DoorRequest, type DoorTimestamp } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';
import { readNumber, type WireReading } from '@eventsieve/contract/wire-reading';

// Tags of a request, an event and a timestamp: field number and wire type.
const eventsTag = 0x0a;
const waitForTag = 0x10;
const allowPartialTag = 0x18;
const topicTag = 0x0a;
const eventIdTag = 0x12;
const timestampTag = 0x1a;
const sourceTag = 0x22;
const payloadTag = 0x2a;
const payloadJsonTag = 0x32;
const secondsTag = 0x08;
const nanosTag = 0x10;

/**
 * The same as DoorRequest.decode for requests that hold nothing but the fields of the API; the generated code makes three
 * arrays and more for each event before it reads one. Whatever else comes is its to judge.
 */
export function readRequest(bytes: Uint8Array): DoorRequest {
  const reading: WireReading = { bytes, at: 0, sound: true };
  const request = readRequestFields(reading);
  return reading.sound ? request : DoorRequest.decode(bytes);
}

function readRequestFields(reading: WireReading): DoorRequest {
  const end = reading.bytes.length;
  const request: DoorRequest = { events: [], waitFor: 0, allowPartial: false };
  while (reading.sound && reading.at < end) {
    switch (reading.bytes[reading.at++]) {
      case eventsTag:
        request.events.push(readEvent(reading, readEnd(reading, end)));
        break;
      case waitForTag:
        request.waitFor = readNumber(reading);
        // A negative one, and one that an int32 would cut.
        if (request.waitFor > 0x7fff_ffff) reading.sound = false;
        break;
      case allowPartialTag:
        request.allowPartial = readNumber(reading) !== 0;
        break;
      default:
        reading.sound = false;
    }
  }
  return request;
}

const none = new Uint8Array(0);

function readEvent(reading: WireReading, end: number): DoorEvent {
  let topic: Uint8Array = none;
  let eventId: Uint8Array = none;
  let source: Uint8Array = none;
  let timestamp: DoorTimestamp | undefined;
  let payload: Uint8Array | undefined;
  let payloadJson: Uint8Array | undefined;
  while (reading.sound && reading.at < end) {
    switch (reading.bytes[reading.at++]) {
      case topicTag:
        topic = readBytes(reading, end);
        break;
      case eventIdTag:
        eventId = readBytes(reading, end);
        break;
      case timestampTag:
        timestamp = readTimestamp(reading, readEnd(reading, end));
        break;
      case sourceTag:
        source = readBytes(reading, end);
        break;
      case payloadTag:
        payload = readBytes(reading, end);
        break;
      case payloadJsonTag:
        payloadJson = readBytes(reading, end);
        break;
      default:
        reading.sound = false;
    }
  }
  return { topic, eventId, timestamp, source, payload, payloadJson };
}

function readTimestamp(reading: WireReading, end: number): DoorTimestamp {
  let seconds = 0;
  let nanos = 0;
  while (reading.sound && reading.at < end) {
    switch (reading.bytes[reading.at++]) {
      case secondsTag:
        seconds = readNumber(reading);
        break;
      case nanosTag:
        nanos = readNumber(reading);
        if (nanos > 0x7fff_ffff) reading.sound = false;
        break;
      default:
        reading.sound = false;
    }
  }
  if (reading.at !== end) reading.sound = false;
  return { seconds: BigInt(seconds), nanos };
}

function readBytes(reading: WireReading, end: number): Uint8Array {
  const from = reading.at;
  const to = readEnd(reading, end);
  const begin = reading.at;
  reading.at = to;
  return reading.sound && to > from ? reading.bytes.subarray(begin, to) : none;
}

/** Where what begins here ends. */
function readEnd(reading: WireReading, end: number): number {
  const length = readNumber(reading);
  const to = reading.at + length;
  if (to > end) reading.sound = false;
  return reading.sound ? to : end;
}
