import type { FieldError } from '@eventsieve/contract/errors';
import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';
import { findPayloadFault } from '@eventsieve/runtime/json-text';
import { lookupFaults } from '../lookup-text.js';
import type { EventFilter, FilterFields } from './event-filter.js';
import { topicFilterOf } from './topic-filter.js';

const maxPayloadBytes = 16 * 1024;
const maxPayloadDepth = 64;
// What the numbers take more once they are written out.
const maxPayloadGrowth = 256 * 1024;

/** Reads the filters of a request; what is wrong with them goes to `faults`, by the names that the API has for them. */
export function readFilter(fields: FilterFields, faults: FieldError[]): EventFilter {
  const { topic, topicExact, source, eventId, payload } = fields;
  faults.push(...lookupFaults({ topic, topic_exact: topicExact, source, event_id: eventId }));
  if (topic !== '' && topicExact !== '') {
    faults.push({ field: 'topic_exact', message: 'must not be given beside topic' });
  }
  const message = payload === '' ? undefined : whyNoObject(payload);
  if (message !== undefined) faults.push({ field: 'payload', message });
  const receivedFromUs = microsOf('received_from', fields.receivedFrom, faults);
  const receivedToUs = microsOf('received_to', fields.receivedTo, faults);
  const happenedFromUs = microsOf('from', fields.from, faults);
  const happenedToUs = microsOf('to', fields.to, faults);
  faults.push(...orderFaults('received_from', receivedFromUs, 'received_to', receivedToUs));
  faults.push(...orderFaults('from', happenedFromUs, 'to', happenedToUs));
  return {
    topics: topicExact !== '' ? { kind: 'exact', topic: topicExact } : topic === '' ? undefined : topicFilterOf(topic),
    source: source || undefined,
    eventId: eventId || undefined,
    receivedFromUs,
    receivedToUs,
    happenedFromUs,
    happenedToUs,
    payload: payload || undefined,
  };
}

function whyNoObject(text: string): string | undefined {
  if (Buffer.byteLength(text) > maxPayloadBytes) return `must have at most ${maxPayloadBytes} bytes`;
  const fault = findPayloadFault(text, maxPayloadDepth, maxPayloadGrowth);
  if (fault === undefined) return undefined;
  return fault.path === '' ? fault.message : `at ${fault.path}: ${fault.message}`;
}

function orderFaults(from: string, fromUs: bigint | undefined, to: string, toUs: bigint | undefined): FieldError[] {
  if (fromUs === undefined || toUs === undefined || fromUs <= toUs) return [];
  return [{ field: to, message: `must not be before ${from}` }];
}

const earliestSeconds = -62_135_596_800n; // 0001-01-01T00:00:00Z
const latestSeconds = 253_402_300_799n; // 9999-12-31T23:59:59Z

/** Events are kept to the microsecond: a bound between two of them is the later one, for "from" and "to" alike. */
function microsOf(field: string, time: Timestamp | undefined, faults: FieldError[]): bigint | undefined {
  if (time === undefined) return undefined;
  const { seconds, nanos } = time;
  if (seconds < earliestSeconds || seconds > latestSeconds || nanos < 0 || nanos > 999_999_999) {
    faults.push({ field, message: 'must be a time from year 1 to 9999' });
  }
  return seconds * 1_000_000n + BigInt(Math.ceil(nanos / 1000));
}
