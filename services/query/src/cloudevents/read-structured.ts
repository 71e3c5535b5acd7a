import { pathText } from '@eventsieve/runtime/json-text';
import { type JsonNode, sourceOf, stringOf } from '@eventsieve/runtime/json-text-tree';
import { nameOfKind, type ReadEvent } from '../http/read-event.js';
import { addMember, addText, type Draft, emptyDraft, eventOf, isAttributeName, isCoreAttribute } from './attributes.js';

/** Attributes, data and those of extensions: bounded, as are the members of every event. */
export const maxMembers = 64;

/** One CloudEvent in the JSON format. Data and attributes stay the text that they are. */
export function readStructured(text: string, node: JsonNode, takenAtMs: number): ReadEvent {
  const { kind, members = [] } = node;
  if (kind !== 'object') {
    return { faults: [{ field: '', message: `must be an object, not ${nameOfKind(kind)}` }], topic: '', eventId: '' };
  }
  const draft = emptyDraft();
  const seen = new Set<string>();
  for (const { key, value } of members) {
    if (seen.has(key)) draft.faults.push({ field: pathText([key]), message: 'is a duplicate key' });
    else if (key === 'data') addMember(draft, key, sourceOf(text, value));
    else if (key === 'data_base64') addBase64(draft, text, value);
    // The format has null for an attribute that is not set.
    else if (isAttributeName(draft, key) && value.kind !== 'null') addAttribute(draft, key, text, value);
    seen.add(key);
  }
  if (seen.has('data') && seen.has('data_base64')) {
    draft.faults.push({ field: 'data_base64', message: 'must not be given beside data' });
  }
  return eventOf(draft, takenAtMs);
}

function addAttribute(draft: Draft, name: string, text: string, value: JsonNode): void {
  const { kind } = value;
  const json = sourceOf(text, value);
  if (kind === 'string') addText(draft, name, stringOf(text, value), json);
  else if (isCoreAttribute(name)) {
    draft.faults.push({ field: name, message: `must be a string, not ${nameOfKind(kind)}` });
  } else if (kind === 'boolean' || (kind === 'number' && isInteger(json))) addMember(draft, name, json);
  else {
    const message = 'must be a string, true, false or a whole number from -2147483648 to 2147483647';
    draft.faults.push({ field: name, message });
  }
}

function isInteger(json: string): boolean {
  return /^-?\d{1,10}$/.test(json) && Number(json) >= -(2 ** 31) && Number(json) < 2 ** 31;
}

function addBase64(draft: Draft, text: string, value: JsonNode): void {
  if (value.kind !== 'string') {
    draft.faults.push({ field: 'data_base64', message: `must be a string, not ${nameOfKind(value.kind)}` });
    return;
  }
  const content = stringOf(text, value);
  const letters = content.endsWith('==') ? content.slice(0, -2) : content.replace(/=$/, '');
  if (content.length % 4 !== 0 || /[^A-Za-z0-9+/]/.test(letters)) {
    draft.faults.push({ field: 'data_base64', message: 'is not Base64' });
  }
  addMember(draft, 'data_base64', JSON.stringify(content));
}
