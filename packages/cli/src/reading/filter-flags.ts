import type { EventFilter } from '@eventsieve/client';
import type { Flag } from '../flag.js';
import { type FlagReader, parseDurationMs, wrong } from '../flags.js';

const time = 'time';

/** Which events; a list and a tail have the same, but for the times of events. */
const sharedFlags: readonly Flag[] = [
  { name: 'topic', value: 'pattern', meaning: 'only this topic, or with segments that are * and a last one that is >' },
  { name: 'topic-exact', value: 'topic', meaning: 'only this topic, whatever is in it' },
  { name: 'source', value: 'source', meaning: 'only from this source' },
  { name: 'event-id', value: 'id', meaning: 'only this id' },
  { name: 'payload', value: 'json', meaning: 'only events whose payload contains this object' },
  { name: 'received-from', value: time, meaning: 'received at or after' },
  { name: 'received-to', value: time, meaning: 'received before' },
];

export const filterFlags: readonly Flag[] = [
  ...sharedFlags,
  { name: 'from', value: time, meaning: 'happened at or after' },
  { name: 'to', value: time, meaning: 'happened before' },
];

export const tailFilterFlags: readonly Flag[] = [
  ...sharedFlags,
  { name: 'event-from', value: time, meaning: 'happened at or after' },
  { name: 'event-to', value: time, meaning: 'happened before' },
];

export const timesHelp = `Times are ISO 8601 (2024-05-01T12:00:00Z; without an offset UTC), a day (2024-05-01), or how long ago (90s, 2h, 7d).`;

function readShared(given: FlagReader): Omit<EventFilter, 'from' | 'to'> {
  return {
    topic: given.text('topic'),
    topicExact: given.text('topic-exact'),
    source: given.text('source'),
    eventId: given.text('event-id'),
    payload: given.text('payload'),
    receivedFrom: readTime(given, 'received-from'),
    receivedTo: readTime(given, 'received-to'),
  };
}

export function readFilter(given: FlagReader): EventFilter {
  return { ...readShared(given), from: readTime(given, 'from'), to: readTime(given, 'to') };
}

export function readTailFilter(given: FlagReader) {
  return {
    ...readShared(given),
    eventFrom: readTime(given, 'event-from'),
    eventTo: readTime(given, 'event-to'),
  };
}

export function readTime(given: FlagReader, flag: string): Date | string | undefined {
  const text = given.text(flag);
  if (text === undefined) return undefined;
  const time = timeOf(text);
  if (time !== undefined) return time;
  throw wrong({ name: `--${flag}`, value: text }, 'a time such as 2024-05-01T12:00:00Z, 2024-05-01 or 15m');
}

/** Undefined when it has not the form of a time. */
export function timeOf(text: string): Date | string | undefined {
  const agoMs = parseDurationMs(text);
  if (agoMs !== undefined) return new Date(Date.now() - agoMs);
  const [day, rest] = [text.slice(0, 10), text.slice(10)];
  if (!/^\d{4}-\d\d-\d\d$/.test(day) || Number.isNaN(Date.parse(day))) return undefined;
  if (rest === '') return `${day}T00:00:00Z`;
  return /^[Tt ]\d\d:/.test(rest) ? text : undefined;
}
