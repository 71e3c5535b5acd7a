import type { FieldError } from '@eventsieve/contract/errors';
import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { type TailEventsRequest, TailStart } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';
import { type EventFilter, encodeFilter, encodeTime } from './encode-filter.js';
import { refuse } from './error.js';

/** The filter of a list, in which times of events have names that set them apart from where a tail begins. */
export interface TailFilter extends Omit<EventFilter, 'from' | 'to'> {
  /** Happened (timestamp) at or after this time. */
  readonly eventFrom?: Date | string | undefined;
  /** Happened before this time. */
  readonly eventTo?: Date | string | undefined;
}

/**
 * `now`: with what is stored from the moment at which the server takes the call. `start`: with the first event that is
 * kept. A Date, or text in ISO 8601: with the first event that was received at or after it. A cursor: after that event.
 */
export type TailFrom = 'now' | 'start' | Date | string | { readonly cursor: string };

export interface TailRequests {
  readonly first: TailEventsRequest;
  /** Once it is known where the server is. */
  after(cursor: string): TailEventsRequest;
}

export function encodeTail(filter: TailFilter, from: TailFrom): TailRequests {
  const { eventFrom, eventTo, ...rest } = filter;
  const fields = encodeFilter({ ...rest, from: eventFrom, to: eventTo }, { from: 'event_from', to: 'event_to' });
  const base: TailEventsRequest = {
    ...fields,
    payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON,
    start: TailStart.TAIL_START_UNSPECIFIED,
    cursor: '',
    since: undefined,
  };
  const place = placeOf(from);
  // A cursor may not stand beside `since`, and one from before the first event would begin with older ones.
  const onward = { ...base, receivedFrom: later(fields.receivedFrom, place.since) };
  return { first: { ...base, ...place }, after: (cursor) => ({ ...onward, cursor }) };
}

type Place = Partial<Pick<TailEventsRequest, 'start' | 'cursor' | 'since'>>;

function placeOf(from: TailFrom): Place {
  if (from === 'now') return { start: TailStart.TAIL_START_NOW };
  if (from === 'start') return { start: TailStart.TAIL_START_BEGINNING };
  const faults: FieldError[] = [];
  const given: unknown = from;
  if (from instanceof Date || typeof from === 'string') {
    const since = encodeTime('from', from, faults, 'now, start, { cursor }, ');
    if (since !== undefined) return { since };
  } else if (typeof (given as { cursor?: unknown } | null)?.cursor !== 'string' || from.cursor === '') {
    faults.push({ field: 'from', message: 'must be now, start, a time, or { cursor } with text in it' });
  } else return { cursor: from.cursor };
  throw refuse(faults);
}

function later(one: Timestamp | undefined, other: Timestamp | undefined): Timestamp | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const difference = one.seconds - other.seconds;
  return difference > 0n || (difference === 0n && one.nanos > other.nanos) ? one : other;
}
