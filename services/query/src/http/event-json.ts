import type { StoredEvent } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { formatInstant } from '../instant.js';

/**
 * An event as a JSON text, optionally with more members. Put together as text: the payload's own text goes in as it is,
 * and no digit of a number passes through a double.
 */
export function eventJson(
  { event, position, receivedAt }: StoredEvent,
  more: Readonly<Record<string, string>> = {},
): string {
  const head = JSON.stringify({
    ...more,
    id: position.toString(),
    topic: event?.topic,
    event_id: event?.eventId,
    timestamp: event?.timestamp && formatInstant(event.timestamp),
    source: event?.payloadJson === undefined ? undefined : event.source,
    received_at: receivedAt && formatInstant(receivedAt),
  });
  return event?.payloadJson === undefined ? head : `${head.slice(0, -1)},"payload":${event.payloadJson}}`;
}
