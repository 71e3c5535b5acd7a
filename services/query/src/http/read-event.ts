import type { FieldError } from '@eventsieve/contract/errors';
import type { Event } from '@eventsieve/contract/gen/eventsieve/v1/event';
import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';
import { pathText } from '@eventsieve/runtime/json-text';
import { type JsonNode, sourceOf, stringOf } from '@eventsieve/runtime/json-text-tree';
import { parseInstant } from '../instant.js';

/** An event, or what is wrong with it. */
export type ReadEvent = Event | BadEvent;

export interface BadEvent {
  readonly faults: readonly Omit<FieldError, 'index'>[];
  /** As far as they could be read. */
  readonly topic: string;
  readonly eventId: string;
}

export function isBad(event: ReadEvent): event is BadEvent {
  return 'faults' in event;
}

const texts = ['topic', 'event_id', 'source', 'timestamp'] as const;
type Text = (typeof texts)[number];

const isText = (key: string): key is Text => (texts as readonly string[]).includes(key);
const loneSurrogate = /\p{Surrogate}/u;
const timestampForm = 'must be an ISO 8601 date and time from year 1 to 9999, such as 2024-05-01T12:00:00Z';

/**
 * Finds what only JSON can get wrong. Lengths, characters and what a payload may hold are the gateway's to judge. What is
 * named in `ignored` may stand there and says nothing.
 */
export function readEvent(text: string, { kind, members = [] }: JsonNode, ignored: readonly string[] = []): ReadEvent {
  const faults: { field: string; message: string }[] = [];
  const given: Partial<Record<Text, string>> = {};
  let timestamp: Timestamp | undefined;
  let payloadJson: string | undefined;
  // Few, always: a list of them is looked through faster than a set is made.
  const seen: string[] = [];
  const blame = (key: string, message: string) => faults.push({ field: pathText([key]), message });

  for (const { key, value } of members) {
    if (seen.includes(key)) {
      blame(key, 'is a duplicate key');
      continue;
    }
    seen.push(key);
    if (key === 'payload') payloadJson = sourceOf(text, value);
    else if (!isText(key)) {
      if (!ignored.includes(key)) blame(key, 'is an unknown field');
    } else if (value.kind !== 'string') blame(key, `must be a string, not ${nameOfKind(value.kind)}`);
    else {
      const content = stringOf(text, value);
      // It would leave here as U+FFFD, and be another id.
      if (loneSurrogate.test(content)) blame(key, 'contains a lone surrogate');
      else given[key] = content;
    }
  }

  if (kind !== 'object') faults.push({ field: '', message: `must be an object, not ${nameOfKind(kind)}` });
  else {
    for (const key of texts) if (!seen.includes(key)) faults.push({ field: key, message: 'is missing' });
    if (given.timestamp !== undefined) {
      timestamp = parseInstant(given.timestamp);
      if (timestamp === undefined) faults.push({ field: 'timestamp', message: timestampForm });
    }
  }
  const { topic = '', event_id: eventId = '', source = '' } = given;
  if (faults.length > 0) return { faults, topic, eventId };
  return { topic, eventId, source, timestamp, payloadJson: payloadJson ?? '{}' };
}

/** With its article. */
export function nameOfKind(kind: JsonNode['kind']): string {
  return kind === 'null' ? 'null' : `${kind === 'object' || kind === 'array' ? 'an' : 'a'} ${kind}`;
}
