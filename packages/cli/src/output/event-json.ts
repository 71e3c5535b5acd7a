import type { StoredEvent } from '@eventsieve/client';

/**
 * An event as `GET /events` has it, on one line. Put together as text: the payload's own text goes in as it is, and no
 * digit of a number passes through a double.
 */
export function eventJson(event: StoredEvent, more: Readonly<Record<string, string>> = {}): string {
  const head = JSON.stringify({
    ...more,
    id: String(event.position),
    topic: event.topic,
    event_id: event.eventId,
    timestamp: event.timestamp,
    source: event.source,
    received_at: event.receivedAt,
  });
  return `${head.slice(0, -1)},"payload":${event.payloadJson}}`;
}
