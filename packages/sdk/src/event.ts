import type { StoredEvent as WireStoredEvent } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { formatInstant } from './instant.js';

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

interface EventHead {
  /** 1 to 255 characters. */
  readonly topic: string;
  /**
   * 1 to 255 characters, unique within the topic. An event sent again must have the same: give one that repeats when the
   * call is repeated (idFrom makes it of fields). Default: a UUIDv7, made before the first attempt and the same in all.
   */
  readonly eventId?: string | undefined;
  /** Who sends it: 1 to 255 characters. */
  readonly source: string;
  /** When it happened; text is ISO 8601. Default: now, at the call, and the same in all its attempts. */
  readonly timestamp?: Date | string | undefined;
}

/** An event to publish. Its payload is a plain object, or the text of one, in which no digit of a number is lost. */
export type NewEvent = EventHead &
  (
    | { readonly payload?: object | undefined; readonly payloadJson?: undefined }
    | { readonly payload?: undefined; readonly payloadJson: string }
  );

/** An event as it is kept. */
export interface StoredEvent {
  readonly topic: string;
  readonly eventId: string;
  readonly source: string;
  /** ISO 8601, in UTC, to the microsecond. */
  readonly timestamp: string;
  readonly payload: JsonObject;
  /** The payload as text, for numbers that a double cannot hold. */
  readonly payloadJson: string;
  /** Its place in the order of all copies, for ever. */
  readonly position: bigint;
  /** When the broker took it: ISO 8601, in UTC. */
  readonly receivedAt: string;
}

export function storedEventOf({ event, position, receivedAt }: WireStoredEvent): StoredEvent {
  const payloadJson = event?.payloadJson ?? '{}';
  return {
    topic: event?.topic ?? '',
    eventId: event?.eventId ?? '',
    source: event?.source ?? '',
    timestamp: event?.timestamp ? formatInstant(event.timestamp) : '',
    payload: JSON.parse(payloadJson) as JsonObject,
    payloadJson,
    position,
    receivedAt: receivedAt ? formatInstant(receivedAt) : '',
  };
}
