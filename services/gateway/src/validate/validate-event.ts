import { isUtf8 } from 'node:buffer';
import type { FieldError } from '@eventsieve/contract/errors';
import type { DoorEvent } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';
import { findPayloadFault } from '@eventsieve/runtime/json-text';
import type { EventLimits } from '../config.js';
import { isPlainJson } from './plain-json.js';
import { PayloadFault, structToJson } from './struct-to-json.js';
import { textFault } from './text-field.js';
import { timestampFault, toMicroseconds } from './timestamp.js';

/** An event that every later part can hold. Text is UTF-8, the payload JSON text of an object. */
export interface ValidEvent {
  readonly topic: Uint8Array;
  readonly eventId: Uint8Array;
  readonly source: Uint8Array;
  readonly timestampUs: bigint;
  readonly payload: Uint8Array;
}

export type Fault = Omit<FieldError, 'index'>;

const emptyObject = Buffer.from('{}');

export function validateEvent(event: DoorEvent, limits: EventLimits): ValidEvent | Fault {
  const topic = textFault(event.topic);
  if (topic !== undefined) return { field: 'topic', message: topic };
  const eventId = textFault(event.eventId);
  if (eventId !== undefined) return { field: 'event_id', message: eventId };
  const source = textFault(event.source);
  if (source !== undefined) return { field: 'source', message: source };
  const timestamp = timestampFault(event.timestamp);
  if (timestamp !== undefined || event.timestamp === undefined) {
    return { field: 'timestamp', message: timestamp ?? 'is required' };
  }
  const payload = payloadText(event, limits);
  if (!(payload instanceof Uint8Array)) return payload;
  const bytes = event.topic.length + event.eventId.length + event.source.length + payload.length;
  if (bytes > limits.maxEventBytes) {
    return {
      field: 'payload',
      message: `makes the event ${bytes} bytes, more than the ${limits.maxEventBytes} that are taken (MAX_EVENT_BYTES, or the broker's max_payload)`,
    };
  }
  return {
    topic: event.topic,
    eventId: event.eventId,
    source: event.source,
    timestampUs: toMicroseconds(event.timestamp),
    payload,
  };
}

function payloadText({ payload, payloadJson }: DoorEvent, limits: EventLimits): Uint8Array | Fault {
  if (payload !== undefined && payloadJson !== undefined) {
    return { field: 'payload', message: 'and payload_json must not both be set' };
  }
  if (payloadJson !== undefined) return checkedJson(payloadJson, limits);
  if (payload === undefined || payload.length === 0) return emptyObject;
  try {
    return structToJson(payload, limits.maxPayloadDepth, limits.maxEventBytes);
  } catch (error) {
    if (error instanceof PayloadFault) return { field: below('payload', error.path), message: error.message };
    return { field: 'payload', message: 'is not an encoded google.protobuf.Struct' };
  }
}

function checkedJson(bytes: Uint8Array, limits: EventLimits): Uint8Array | Fault {
  if (bytes.length > limits.maxEventBytes) {
    return {
      field: 'payload',
      message: `has ${bytes.length} bytes, more than the ${limits.maxEventBytes} that are taken (MAX_EVENT_BYTES, or the broker's max_payload)`,
    };
  }
  if (isPlainJson(bytes, limits.maxPayloadDepth)) return bytes;
  if (!isUtf8(bytes)) return { field: 'payload', message: 'is not valid UTF-8' };
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const fault = findPayloadFault(text, limits.maxPayloadDepth, limits.maxEventBytes - bytes.length);
  return fault ? { field: below('payload', fault.path), message: fault.message } : bytes;
}

function below(field: string, path: string): string {
  if (path === '') return field;
  return path.startsWith('[') ? field + path : `${field}.${path}`;
}
