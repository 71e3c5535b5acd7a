import type { FieldError } from '@eventsieve/contract/errors';
import type { Event as WireEvent } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { refuse } from './error.js';
import type { NewEvent } from './event.js';
import { instantOfDate, parseInstant } from './instant.js';

const maxFaultsNamed = 20;

/**
 * Checks only what would be altered in silence on its way to the wire; the rest is the gateway's to judge. Fields have
 * the names that they have there, so that a caller meets one vocabulary.
 */
export function encodeEvents(events: readonly NewEvent[]): WireEvent[] {
  const now = new Date();
  const faults: FieldError[] = [];
  const encoded = events.map((event, index) =>
    encodeEvent(event, now, (field, message) => faults.push({ index, field, message })),
  );
  if (faults.length > 0) throw refuse(faults.slice(0, maxFaultsNamed));
  return encoded;
}

type Fault = (field: string, message: string) => void;

const loneSurrogate = /\p{Surrogate}/u;

function encodeEvent(event: NewEvent, now: Date, fault: Fault): WireEvent {
  // Callers without types reach this, too.
  if (typeof event !== 'object' || event === null) fault('', 'must be an object');
  const { topic, eventId, source, timestamp = now } = event ?? {};
  for (const [field, text] of Object.entries({ topic, event_id: eventId, source }) as [string, unknown][]) {
    if (text === undefined) fault(field, 'is missing');
    else if (typeof text !== 'string') fault(field, `must be a string, not a ${typeof text}`);
    else if (loneSurrogate.test(text)) fault(field, 'contains a lone surrogate');
  }
  const instant =
    timestamp instanceof Date ? instantOfDate(timestamp) : typeof timestamp === 'string' && parseInstant(timestamp);
  if (!instant) fault('timestamp', 'must be a Date or an ISO 8601 date and time, such as 2024-05-01T12:00:00Z');
  return { topic, eventId, source, timestamp: instant || undefined, payloadJson: payloadText(event, fault) };
}

function payloadText({ payload, payloadJson }: NewEvent, fault: Fault): string {
  if (payloadJson !== undefined) {
    if (payload !== undefined) fault('payload', 'is given twice, as object and as text');
    if (typeof payloadJson === 'string') return payloadJson;
    fault('payload_json', `must be a string, not a ${typeof payloadJson}`);
  }
  if (payload === undefined) return '{}';
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    fault('payload', 'must be an object');
    return '{}';
  }
  try {
    return JSON.stringify(payload, keepNumbers);
  } catch (error) {
    fault('payload', `cannot be JSON: ${(error as Error).message.split('\n')[0]}`);
    return '{}';
  }
}

/** JSON.stringify would write null for NaN and Infinity. */
export function keepNumbers(key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`"${key}" is ${value}`);
  return value;
}
