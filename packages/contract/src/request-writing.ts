import type { WaitFor } from './gen/eventsieve/v1/ingest.js';
import { type WireBuffer, writeField, writeInt64, writeText, writeVarint } from './wire-writing.js';

/** An event with all that it leaves open filled in, once, so that every attempt sends the same. */
export interface ReadyEvent {
  readonly topic: string;
  readonly eventId: string;
  readonly source: string;
  readonly seconds: number;
  readonly nanos: number;
  readonly payloadJson: string;
}

// Of eventsieve.v1.PublishRequest, Event and google.protobuf.Timestamp: field number and wire type.
const eventTag = 0x0a;
const waitForTag = 0x10;
const allowPartialTag = 0x18;
const topicTag = 0x0a;
const eventIdTag = 0x12;
const timestampTag = 0x1a;
const sourceTag = 0x22;
const payloadJsonTag = 0x32;
const secondsTag = 0x08;
const nanosTag = 0x10;
const timestampBytes = 12;
const tagsAndLengthsBytes = 10;

/**
 * Appends an event to the bytes of a request. The same as the generated code writes, which makes a dozen objects for each
 * event on the way; a test holds one against the other.
 */
export function writeEvent(wire: WireBuffer, event: ReadyEvent): void {
  const { topic, eventId, source, payloadJson } = event;
  const characters = topic.length + eventId.length + source.length + payloadJson.length;
  writeField(wire, eventTag, characters + timestampBytes + tagsAndLengthsBytes, writeEventFields, event);
}

function writeEventFields(wire: WireBuffer, event: ReadyEvent): void {
  writeText(wire, topicTag, event.topic);
  writeText(wire, eventIdTag, event.eventId);
  writeField(wire, timestampTag, timestampBytes, writeTimestampFields, event);
  writeText(wire, sourceTag, event.source);
  writeText(wire, payloadJsonTag, event.payloadJson);
  // One that is absent would be taken as an object without anything.
  if (event.payloadJson === '') writeField(wire, payloadJsonTag, 0, () => undefined, undefined);
}

function writeTimestampFields(wire: WireBuffer, { seconds, nanos }: ReadyEvent): void {
  if (seconds !== 0) {
    writeVarint(wire, secondsTag);
    writeInt64(wire, seconds);
  }
  if (nanos === 0) return;
  writeVarint(wire, nanosTag);
  writeVarint(wire, nanos);
}

/** What stands in a request behind its events. */
export function requestTail(waitFor: WaitFor, allowPartial: boolean): Buffer {
  return Buffer.from([waitForTag, waitFor, ...(allowPartial ? [allowPartialTag, 1] : [])]);
}
