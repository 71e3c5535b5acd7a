import type { FieldError } from '@eventsieve/contract/errors';
import { pathText } from '@eventsieve/runtime/json-text';
import type { ReadEvent } from '../http/read-event.js';
import { parseInstant } from '../instant.js';

/** A CloudEvent on its way to become an event, whichever way it came. */
export interface Draft {
  readonly faults: Omit<FieldError, 'index'>[];
  /** Every attribute that is a text, by name. */
  readonly texts: Map<string, string>;
  /** All that becomes the payload, as the members of a JSON text. */
  readonly members: string[];
}

const required = ['specversion', 'id', 'source', 'type'] as const;
const core = new Set<string>([...required, 'time', 'subject', 'datacontenttype', 'dataschema']);
/** What an event has a field of its own for. */
const mapped = new Set(['id', 'source', 'type', 'time']);
const maxIdCharacters = 255;

// What the specification's type String has not: control characters, halves of pairs, code points that are no characters.
const noText = /[\p{Cc}\p{Surrogate}\p{Noncharacter_Code_Point}]/u;
const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+\s*(?:;.*)?$/;

export const emptyDraft = (): Draft => ({ faults: [], texts: new Map(), members: [] });

export function isCoreAttribute(name: string): boolean {
  return core.has(name);
}

/** Says so when it is none. */
export function isAttributeName(draft: Draft, name: string): boolean {
  if (/^[a-z0-9]+$/.test(name)) return true;
  const message = 'cannot be an attribute: their names are of lower-case letters and digits';
  draft.faults.push({ field: pathText([name]), message });
  return false;
}

/** `json` is the same text as it stood in a JSON text. */
export function addText(draft: Draft, name: string, text: string, json = JSON.stringify(text)): void {
  const fault = textFault(name, text);
  if (fault !== undefined) draft.faults.push({ field: name, message: fault });
  draft.texts.set(name, text);
  if (!mapped.has(name)) addMember(draft, name, json);
}

export function addMember({ members }: Draft, name: string, json: string): void {
  members.push(`"${name}":${json}`);
}

function textFault(name: string, text: string): string | undefined {
  if (text === '' && core.has(name)) return 'must not be empty';
  if (noText.test(text)) return 'contains a control character, half a surrogate pair or a code point that is none';
  switch (name) {
    case 'specversion':
      return text === '1.0' ? undefined : 'must be "1.0"';
    case 'source':
      return /\s/.test(text) ? 'must be a URI-reference, which holds no white space' : undefined;
    case 'time':
      return rfc3339.test(text) && parseInstant(text) !== undefined
        ? undefined
        : 'must be a time as in RFC 3339 from year 1 to 9999, such as 2024-05-01T12:00:00Z';
    case 'datacontenttype':
      return mediaType.test(text) ? undefined : 'must be a media type, such as application/json';
    case 'dataschema':
      return /^[a-z][a-z0-9+.-]*:\S+$/i.test(text) ? undefined : 'must be an absolute URI';
    default:
      return undefined;
  }
}

/** An event, of which the id is unique within the source: so both are in event_id, with a space that no source holds. */
export function eventOf({ faults, texts, members }: Draft, takenAtMs: number): ReadEvent {
  const read = (name: string) => texts.get(name) ?? '';
  for (const name of required) {
    if (!texts.has(name) && !faults.some(({ field }) => field === name)) {
      faults.push({ field: name, message: 'is missing' });
    }
  }
  const topic = read('type');
  const source = read('source');
  const eventId = texts.has('id') && texts.has('source') ? eventIdOf(source, read('id')) : '';
  const lengths = { type: lengthOf(topic), source: lengthOf(source), id: lengthOf(eventId) };
  if (lengths.type > maxIdCharacters) faults.push({ field: 'type', message: tooLong('', lengths.type) });
  if (lengths.source > maxIdCharacters) faults.push({ field: 'source', message: tooLong('', lengths.source) });
  else if (lengths.id > maxIdCharacters) {
    faults.push({ field: 'id', message: tooLong(', with the source and a space before it,', lengths.id) });
  }
  if (faults.length > 0) return { faults, topic, eventId };
  const time = texts.get('time') ?? new Date(takenAtMs).toISOString();
  return { topic, eventId, source, timestamp: parseInstant(time), payloadJson: `{${members.join(',')}}` };
}

export function eventIdOf(source: string, id: string): string {
  return `${source} ${id}`;
}

const lengthOf = (text: string) => (text.length <= maxIdCharacters ? text.length : [...text].length);
const tooLong = (how: string, length: number) =>
  `must be${how} at most ${maxIdCharacters} characters, but has ${length}`;

const attributes: Readonly<Record<string, string>> = {
  topic: 'type',
  event_id: 'id',
  timestamp: 'time',
  payload: 'data',
};

/** The attribute that a field of the event came from: what the gateway refuses is named as the publisher knows it. */
export function attributeOf(field: string): string {
  return attributes[field] ?? field.replace(/^payload\.?/, '');
}
