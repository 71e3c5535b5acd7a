import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { cloudEventJson } from '../cloudevents/cloud-event-json.js';
import { eventJson } from '../http/event-json.js';
import { formatInstant, instantOfMicros } from '../instant.js';
import { type EventRow, storedEventOf } from '../sql/event-row.js';
import { compactJson } from './compact-json.js';

/** The line of an event; nothing when it cannot have one. */
export type WriteLine = (row: EventRow) => string;

/** Exactly what can be published. */
export const writeEvent: WriteLine = (row) => {
  const head = JSON.stringify({
    topic: row.topic,
    event_id: row.event_id,
    timestamp: formatInstant(instantOfMicros(BigInt(row.timestamp_us))),
    source: row.source,
  });
  return `${head.slice(0, -1)},"payload":${compactJson(row.payload)}}\n`;
};

export const writeEventWithMeta: WriteLine = (row) => `${eventJson(storedEventOf(compacted(row), json))}\n`;

export const writeCloudEvent: WriteLine = (row) => {
  const text = cloudEventJson(storedEventOf(compacted(row), json));
  return text === undefined ? '' : `${text}\n`;
};

const json = PayloadFormat.PAYLOAD_FORMAT_JSON;
const compacted = (row: EventRow): EventRow => ({ ...row, payload: compactJson(row.payload) });
