import type { EventFilter } from '../filter/event-filter.js';
import { formatInstant, instantOfMicros } from '../instant.js';
import { patternRegex } from './pattern-regex.js';

/** Gives a value its place among the parameters of a statement. */
export type Bind = (value: unknown) => string;

export function bindings(): { readonly bind: Bind; readonly values: readonly unknown[] } {
  const values: unknown[] = [];
  return { bind: (value) => `$${values.push(value)}`, values };
}

/** The filter as a condition on the columns of an event; what costs least is asked first. */
export function conditionOf(filter: EventFilter, bind: Bind): string {
  const { topics, source, eventId, payload } = filter;
  const parts: string[] = [];
  if (topics?.kind === 'exact') parts.push(`topic = ${bind(topics.topic)}`);
  if (source !== undefined) parts.push(`source = ${bind(source)}`);
  if (eventId !== undefined) parts.push(`event_id = ${bind(eventId)}`);
  const compare = (left: string, us: bigint | undefined) => {
    if (us !== undefined) parts.push(`${left} ${bind(timeOf(us))}::timestamptz`);
  };
  compare('received_at >=', filter.receivedFromUs);
  compare('received_at <', filter.receivedToUs);
  compare('"timestamp" >=', filter.happenedFromUs);
  compare('"timestamp" <', filter.happenedToUs);
  if (topics?.kind === 'pattern') parts.push(`topic ~ ${bind(patternRegex(topics))}`);
  if (payload !== undefined) parts.push(`payload @> ${bind(payload)}::jsonb`);
  return parts.length === 0 ? 'true' : parts.join(' and ');
}

/** As text: Postgres multiplies intervals by doubles, which have no room for microseconds of far years. */
export const timeOf = (us: bigint) => formatInstant(instantOfMicros(us));
