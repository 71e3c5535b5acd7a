import type { FilterFields } from '../filter/event-filter.js';
import { readInstant } from './parameters.js';

/** The parameters of every route that asks for events. */
export const filterParameters = [
  'topic',
  'topic_exact',
  'source',
  'event_id',
  'received_from',
  'received_to',
  'from',
  'to',
  'payload',
] as const;

type Given = Partial<Record<(typeof filterParameters)[number], string>>;

export function filterFieldsOf(given: Given): Required<FilterFields> {
  return {
    topic: given.topic ?? '',
    topicExact: given.topic_exact ?? '',
    source: given.source ?? '',
    eventId: given.event_id ?? '',
    receivedFrom: readInstant('received_from', given.received_from),
    receivedTo: readInstant('received_to', given.received_to),
    from: readInstant('from', given.from),
    to: readInstant('to', given.to),
    payload: given.payload ?? '',
  };
}
