import { EventsieveError, invalid } from '@eventsieve/contract/errors';
import { pathText } from '@eventsieve/runtime/json-text';
import { type JsonNode, readJsonTree, type TreeFault } from '@eventsieve/runtime/json-text-tree';
import { type ReadEvent, readEvent } from './read-event.js';

export interface ReadRequest {
  /** The body is one event, not a batch of one. */
  readonly single: boolean;
  readonly events: readonly ReadEvent[];
  /** They came as CloudEvents, and what is wrong with them is named by the attributes of these. */
  readonly cloudEvents?: boolean;
}

// Nothing is nested deeper in what the gateway takes, whatever MAX_PAYLOAD_DEPTH says.
export const maxDepth = 1000;
export const maxMembers = 32;

/** One event, an array of events, or {"events": [...]}. Each payload is passed on as it stands in the text. */
export function readEvents(text: string, maxEvents: number): ReadRequest {
  const result = readJsonTree(text, { maxDepth, maxItems: maxEvents, maxMembers });
  if (!('node' in result)) throw refusalOf(result, maxEvents);
  const { node } = result;
  if (node.kind === 'array') return { single: false, events: readAll(text, node) };
  if (node.kind !== 'object') {
    throw invalid([{ field: 'body', message: 'must be an event, an array of events, or {"events": […]}' }]);
  }
  const members = node.members ?? [];
  if (!members.some(({ key }) => key === 'events')) return { single: true, events: [readEvent(text, node)] };
  const strangers = members.filter(({ key }) => key !== 'events');
  if (strangers.length > 0) {
    throw invalid(strangers.map(({ key }) => ({ field: pathText([key]), message: 'is an unknown field' })));
  }
  const [member, ...repeated] = members;
  if (repeated.length > 0) throw invalid([{ field: 'events', message: 'is a duplicate key' }]);
  if (member?.value.kind !== 'array') throw invalid([{ field: 'events', message: 'must be an array' }]);
  return { single: false, events: readAll(text, member.value) };
}

function readAll(text: string, { items = [] }: JsonNode): ReadEvent[] {
  return items.map((item) => readEvent(text, item));
}

export function tooManyEvents(maxEvents: number): EventsieveError {
  const field = { field: 'events', message: `must hold at most ${maxEvents} events (MAX_EVENTS_PER_REQUEST)` };
  return new EventsieveError('PAYLOAD_TOO_LARGE', `events: ${field.message}`, { fields: [field] });
}

/** Why a body could not be taken apart. */
export function refusalOf({ path, message, tooManyItems }: TreeFault, maxEvents: number): EventsieveError {
  const [first, ...rest] = path;
  const inList = first === 'events' ? rest : path;
  if (tooManyItems && inList.length === 0) return tooManyEvents(maxEvents);
  const [index, ...inEvent] = inList;
  if (typeof index === 'number') return invalid([{ index, field: pathText(inEvent), message }]);
  if (first === undefined) return invalid([{ field: 'body', message }]);
  return invalid([
    first === 'events' ? { field: pathText(path), message } : { index: 0, field: pathText(path), message },
  ]);
}
