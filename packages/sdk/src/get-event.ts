import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { EventStatus, QueryServiceService } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { EventsieveError } from './error.js';
import { type StoredEvent, storedEventOf } from './event.js';

/** What became of one id. `expired`: stored once, its payload is gone. `pending`: not stored, but not all is stored yet. */
export type FoundEvent =
  | { readonly status: 'stored'; readonly event: StoredEvent }
  | { readonly status: 'expired'; readonly position: bigint; readonly receivedAt: string }
  | { readonly status: 'dead_lettered' }
  | { readonly status: 'pending' };

/** Undefined when the id was never seen. */
export async function getEvent(
  query: Peer,
  topic: string,
  eventId: string,
  settings: CallSettings,
): Promise<FoundEvent | undefined> {
  const request = { topic, eventId, payloadFormat: PayloadFormat.PAYLOAD_FORMAT_JSON };
  try {
    const { status, event } = await callUnary(query, QueryServiceService.getEvent, request, settings);
    if (status === EventStatus.EVENT_STATUS_DEAD_LETTERED) return { status: 'dead_lettered' };
    if (event === undefined) return { status: 'pending' };
    const found = storedEventOf(event);
    if (status === EventStatus.EVENT_STATUS_STORED) return { status: 'stored', event: found };
    return { status: 'expired', position: found.position, receivedAt: found.receivedAt };
  } catch (error) {
    if (error instanceof EventsieveError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
