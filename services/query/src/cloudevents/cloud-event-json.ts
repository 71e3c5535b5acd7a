import type { StoredEvent } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { readJsonTree } from '@eventsieve/runtime/json-text-tree';
import { isBad } from '../http/read-event.js';
import { maxDepth } from '../http/read-events.js';
import { formatInstant } from '../instant.js';
import { eventIdOf } from './attributes.js';
import { maxMembers, readStructured } from './read-structured.js';
import { uriReferenceOf } from './uri-reference.js';

// The digits of the largest position: the extension "sequence" is compared as text.
const sequenceDigits = 19;

/**
 * A stored event as a CloudEvent in the JSON format. What came as one is that one again, with nothing added but the time
 * that it was taken for. Any other event becomes one. Undefined when the event's payload is gone.
 */
export function cloudEventJson(stored: StoredEvent): string | undefined {
  const { event, position } = stored;
  if (event?.payloadJson === undefined || event.timestamp === undefined) return undefined;
  const time = formatInstant(event.timestamp);
  const asCame = asItCame(stored, time);
  if (asCame !== undefined) return asCame;
  const head = JSON.stringify({
    specversion: '1.0',
    id: event.eventId,
    source: uriReferenceOf(event.source),
    type: event.topic,
    time,
    sequence: position.toString().padStart(sequenceDigits, '0'),
    datacontenttype: 'application/json',
  });
  return `${head.slice(0, -1)},"data":${event.payloadJson}}`;
}

/** Put together and read as if it came now: it was one if it becomes the same event. */
function asItCame({ event }: StoredEvent, time: string): string | undefined {
  if (event?.payloadJson === undefined || !event.payloadJson.includes('"specversion"')) return undefined;
  const before = eventIdOf(event.source, '');
  if (!event.eventId.startsWith(before)) return undefined;
  const id = event.eventId.slice(before.length);
  const head = JSON.stringify({ id, source: event.source, type: event.topic, time });
  const text = `${head.slice(0, -1)},${event.payloadJson.trimStart().slice(1)}`;
  const tree = readJsonTree(text, { maxDepth, maxItems: 0, maxMembers, wholeLists: true });
  return 'node' in tree && !isBad(readStructured(text, tree.node, 0)) ? text : undefined;
}
