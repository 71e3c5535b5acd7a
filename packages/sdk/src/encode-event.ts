import type { FieldError } from '@eventsieve/contract/errors';
import type { ReadyEvent } from '@eventsieve/contract/request-writing';
import type { NewEvent } from './event.js';
import { newEventId } from './ids.js';
import { instantOfDate, parseInstant } from './instant.js';

export type EventFault = Omit<FieldError, 'index'>;

/**
 * Checks only what would be altered in silence on its way to the wire; the rest is the gateway's to judge. Fields have
 * the names that they have there, so that a caller meets one vocabulary.
 */
export function readEvent(event: NewEvent, nowMs: number): ReadyEvent | readonly EventFault[] {
  // Callers without types reach this, too.
  if (typeof event !== 'object' || event === null) return [{ field: '', message: 'must be an object' }];
  const { topic, eventId = newEventId(), source, timestamp } = event;
  const payloadJson = payloadText(event);
  const instant = timestamp === undefined ? undefined : instantOf(timestamp);
  const faults: EventFault[] = [];
  if (!isSound(topic)) faults.push(textFault('topic', topic));
  if (!isSound(eventId)) faults.push(textFault('event_id', eventId));
  if (!isSound(source)) faults.push(textFault('source', source));
  if (timestamp !== undefined && instant === undefined) {
    faults.push({
      field: 'timestamp',
      message: 'must be a Date or an ISO 8601 date and time, such as 2024-05-01T12:00:00Z',
    });
  }
  if (typeof payloadJson !== 'string') faults.push(payloadJson);
  if (faults.length > 0) return faults;
  const seconds = instant === undefined ? Math.floor(nowMs / 1000) : Number(instant.seconds);
  const nanos = instant === undefined ? (nowMs - seconds * 1000) * 1_000_000 : instant.nanos;
  return { topic, eventId, source, seconds, nanos, payloadJson: payloadJson as string };
}

const instantOf = (timestamp: unknown) => {
  if (timestamp instanceof Date) return instantOfDate(timestamp);
  return typeof timestamp === 'string' ? parseInstant(timestamp) : undefined;
};

// In every Node that there is; TypeScript has it from ES2024 on.
const isWellFormed = (text: string) => (text as string & { isWellFormed(): boolean }).isWellFormed();

const isSound = (text: unknown): text is string => typeof text === 'string' && isWellFormed(text);

function textFault(field: string, text: unknown): EventFault {
  if (text === undefined) return { field, message: 'is missing' };
  if (typeof text === 'string') return { field, message: 'contains a lone surrogate' };
  return { field, message: `must be a string, not ${text === null ? 'null' : `a ${typeof text}`}` };
}

function payloadText({ payload, payloadJson }: NewEvent): string | EventFault {
  if (payloadJson !== undefined) {
    if (payload !== undefined) return { field: 'payload', message: 'is given twice, as object and as text' };
    return isSound(payloadJson) ? payloadJson : textFault('payload_json', payloadJson);
  }
  if (payload === undefined) return '{}';
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    return { field: 'payload', message: 'must be an object' };
  }
  try {
    const text: unknown = JSON.stringify(payload);
    // A function called for each value costs more than all the rest; only null can hide what is no number.
    const safe = typeof text === 'string' && text.includes('null') ? JSON.stringify(payload, keepNumbers) : text;
    return typeof safe === 'string' ? safe : { field: 'payload', message: 'cannot be JSON: its toJSON gives none' };
  } catch (error) {
    return { field: 'payload', message: `cannot be JSON: ${(error as Error).message.split('\n')[0]}` };
  }
}

/** JSON.stringify would write null for NaN and Infinity. */
export function keepNumbers(key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`"${key}" is ${value}`);
  return value;
}
