import type { FieldError } from '@eventsieve/contract/errors';
import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';
import { keepNumbers } from './encode-event.js';
import { refuse } from './error.js';
import { instantOfDate, parseInstant } from './instant.js';

/** Which events are wanted: those that fit all that is given. Times are text in ISO 8601 or a Date. */
export interface EventFilter {
  /** Only this topic; a pattern when a segment between dots is `*` (any one), or the last one is `>` (one or more). */
  readonly topic?: string | undefined;
  /** Only this topic, whatever is in it. Not beside topic. */
  readonly topicExact?: string | undefined;
  /** Only this source, exactly. */
  readonly source?: string | undefined;
  readonly eventId?: string | undefined;
  /** Received at or after this time. */
  readonly receivedFrom?: Date | string | undefined;
  /** Received before this time. */
  readonly receivedTo?: Date | string | undefined;
  /** Happened (timestamp) at or after this time. */
  readonly from?: Date | string | undefined;
  /** Happened before this time. */
  readonly to?: Date | string | undefined;
  /** An object that the payload contains, as Postgres' `@>` has it; or the text of one. */
  readonly payload?: object | string | undefined;
}

/** The filter as every request has it that asks for events. `names` are those that the caller knows the times by. */
export function encodeFilter(filter: EventFilter, names = { from: 'from', to: 'to' }) {
  const faults: FieldError[] = [];
  const fields = {
    topic: filter.topic ?? '',
    topicExact: filter.topicExact ?? '',
    source: filter.source ?? '',
    eventId: filter.eventId ?? '',
    receivedFrom: encodeTime('received_from', filter.receivedFrom, faults),
    receivedTo: encodeTime('received_to', filter.receivedTo, faults),
    from: encodeTime(names.from, filter.from, faults),
    to: encodeTime(names.to, filter.to, faults),
    payload: encodePayload(filter.payload, faults),
  };
  if (faults.length > 0) throw refuse(faults);
  return fields;
}

/** `others` is what it might have been, too. */
export function encodeTime(
  field: string,
  time: Date | string | undefined,
  faults: FieldError[],
  others = '',
): Timestamp | undefined {
  if (time === undefined) return undefined;
  const instant = time instanceof Date ? instantOfDate(time) : parseInstant(time);
  if (instant === undefined) {
    const message = `must be ${others}a Date or an ISO 8601 date and time, such as 2024-05-01T12:00:00Z`;
    faults.push({ field, message });
  }
  return instant;
}

function encodePayload(payload: object | string | undefined, faults: FieldError[]): string {
  if (payload === undefined) return '';
  if (typeof payload === 'string' && payload !== '') return payload;
  try {
    const text = JSON.stringify(payload, keepNumbers);
    if (text?.startsWith('{')) return text;
    faults.push({ field: 'payload', message: 'must be an object, or the text of one' });
  } catch (error) {
    faults.push({ field: 'payload', message: `cannot be JSON: ${(error as Error).message.split('\n')[0]}` });
  }
  return '';
}
