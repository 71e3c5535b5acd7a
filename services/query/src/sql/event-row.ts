import type { FieldError } from '@eventsieve/contract/errors';
import { PayloadFormat, type StoredEvent } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { instantOfMicros } from '../instant.js';

/** The columns of an event as text that loses nothing: a Date knows no microseconds, a number no large position. */
export const eventColumns = `
  position, topic, event_id, source, payload::text as payload,
  (extract(epoch from "timestamp") * 1000000)::bigint as timestamp_us,
  (extract(epoch from received_at) * 1000000)::bigint as received_at_us`;

export type EventRow = {
  readonly position: string;
  readonly topic: string;
  readonly event_id: string;
  readonly source: string;
  readonly payload: string;
  readonly timestamp_us: string;
  readonly received_at_us: string;
};

export function storedEventOf(row: EventRow, format: PayloadFormat): StoredEvent {
  const { topic, event_id: eventId, source } = row;
  const timestamp = instantOfMicros(BigInt(row.timestamp_us));
  const payload =
    format === PayloadFormat.PAYLOAD_FORMAT_JSON
      ? { payloadJson: row.payload }
      : { payload: parsePayload(row.payload) };
  return {
    event: { topic, eventId, source, timestamp, ...payload },
    position: BigInt(row.position),
    receivedAt: instantOfMicros(BigInt(row.received_at_us)),
  };
}

/** Postgres writes numbers out, so only so many digits in a row can be more than a double holds. */
const maybeTooLarge = /\d{309}/;

/** A Struct has no Infinity: a number beyond a double's range becomes the largest one. */
function parsePayload(text: string): Record<string, unknown> {
  if (!maybeTooLarge.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_, value) =>
    typeof value === 'number' ? Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value)) : value,
  );
}

export function payloadFormatFaults(format: PayloadFormat): FieldError[] {
  return format >= PayloadFormat.PAYLOAD_FORMAT_UNSPECIFIED && format <= PayloadFormat.PAYLOAD_FORMAT_JSON
    ? []
    : [{ field: 'payload_format', message: `has no meaning for ${format}` }];
}
