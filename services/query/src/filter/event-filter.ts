import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';
import type { EventRow } from '../sql/event-row.js';
import { matchesTopic, type TopicFilter } from './topic-filter.js';

/** The filters as every request has them that asks for events. */
export interface FilterFields {
  readonly topic: string;
  readonly topicExact: string;
  readonly source: string;
  readonly eventId: string;
  readonly receivedFrom?: Timestamp | undefined;
  readonly receivedTo?: Timestamp | undefined;
  readonly from?: Timestamp | undefined;
  readonly to?: Timestamp | undefined;
  readonly payload: string;
}

/** The same, read and found to make sense. Times are microseconds since 1970; each "to" is exclusive. */
export interface EventFilter {
  readonly topics: TopicFilter | undefined;
  readonly source: string | undefined;
  readonly eventId: string | undefined;
  readonly receivedFromUs: bigint | undefined;
  readonly receivedToUs: bigint | undefined;
  readonly happenedFromUs: bigint | undefined;
  readonly happenedToUs: bigint | undefined;
  /** A JSON object as text, which a payload contains or not: that is Postgres' to say. */
  readonly payload: string | undefined;
}

/** Everything of the filter but the payload. */
export function matchesButPayload(filter: EventFilter, row: EventRow): boolean {
  if (filter.topics !== undefined && !matchesTopic(filter.topics, row.topic)) return false;
  if (filter.source !== undefined && filter.source !== row.source) return false;
  if (filter.eventId !== undefined && filter.eventId !== row.event_id) return false;
  return (
    isWithin(row.received_at_us, filter.receivedFromUs, filter.receivedToUs) &&
    isWithin(row.timestamp_us, filter.happenedFromUs, filter.happenedToUs)
  );
}

function isWithin(micros: string, from: bigint | undefined, to: bigint | undefined): boolean {
  if (from === undefined && to === undefined) return true;
  const at = BigInt(micros);
  return (from === undefined || at >= from) && (to === undefined || at < to);
}
