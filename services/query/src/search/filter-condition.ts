import type { EventFilter } from '../filter/event-filter.js';
import { formatInstant, instantOfMicros } from '../instant.js';
import type { Bind } from './bindings.js';
import { patternRegex } from './topic-pattern.js';

/** The filter as a condition on the columns of an event; what costs least is asked first. */
export function conditionOf(filter: EventFilter, bind: Bind): string {
  const { topics, source, eventId, payload } = filter;
  const parts: string[] = [];
  if (topics?.kind === 'exact') parts.push(`topic = ${bind(topics.topic)}`);
  if (source !== undefined) parts.push(`source = ${bind(source)}`);
  if (eventId !== undefined) parts.push(`event_id = ${bind(eventId)}`);
  parts.push(...within('received_at', filter.receivedFromUs, filter.receivedToUs, bind));
  parts.push(...within('"timestamp"', filter.happenedFromUs, filter.happenedToUs, bind));
  if (topics?.kind === 'pattern') parts.push(`topic ~ ${bind(patternRegex(topics))}`);
  if (payload !== undefined) parts.push(`payload @> ${bind(payload)}::jsonb`);
  return parts.length === 0 ? 'true' : parts.join(' and ');
}

const latestUs = 253_402_300_799_999_999n; // 9999-12-31T23:59:59.999999Z

/** Conditions that hold from `fromUs` to before `toUs`. */
export function within(column: string, fromUs: bigint | undefined, toUs: bigint | undefined, bind: Bind): string[] {
  const parts: string[] = [];
  if (fromUs !== undefined)
    parts.push(fromUs > latestUs ? 'false' : `${column} >= ${bind(timeOf(fromUs))}::timestamptz`);
  if (toUs !== undefined && toUs <= latestUs) parts.push(`${column} < ${bind(timeOf(toUs))}::timestamptz`);
  return parts;
}

/** As text: Postgres multiplies intervals by doubles, which have no room for microseconds of far years. */
const timeOf = (us: bigint) => formatInstant(instantOfMicros(us));
