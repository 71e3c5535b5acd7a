import { type FieldError, invalid } from '@eventsieve/contract/errors';
import { type DeadLetterFilter, DeadLetterState } from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { pathText } from '@eventsieve/runtime/json-text';
import { type JsonMember, type JsonNode, readJsonTree, sourceOf, stringOf } from '@eventsieve/runtime/json-text-tree';
import { maxLetters } from '../dead-letters/letter-filter.js';
import { positionOf } from '../dead-letters/position-text.js';
import { parseInstant } from '../instant.js';
import { instantForm } from './parameters.js';

/** Which dead letters a request is about, as the API has it. */
export interface ReadChoice {
  readonly positions: bigint[];
  readonly filter: DeadLetterFilter | undefined;
  readonly limit: number;
  readonly dryRun: boolean;
}

const treeLimits = { maxDepth: 8, maxItems: maxLetters, maxMembers: 32 };
const known = ['ids', 'filter', 'limit', 'dry_run'] as const;
const inFilter = ['topic', 'event_id', 'code', 'from', 'to'] as const;
const maxFaultsNamed = 20;
const loneSurrogate = /\p{Surrogate}/u;

/** Reads {"ids": […]} or {"filter": {…}}, either with limit and dry_run. A wrong field that is ignored could discard all. */
export function readChoiceBody(text: string): ReadChoice {
  const faults: FieldError[] = [];
  const members = readMembers(text, '', known, faults);
  const { ids, filter, limit, dry_run: dryRun } = members;
  if (ids === undefined && filter === undefined && faults.length === 0) {
    faults.push({ field: 'ids', message: 'is missing: give ids or a filter, {} for all that are open' });
  }
  if (ids !== undefined && filter !== undefined)
    faults.push({ field: 'filter', message: 'must not be given beside ids' });
  const choice = {
    positions: ids === undefined ? [] : readIds(text, ids, faults),
    filter: filter === undefined ? undefined : readFilter(text, filter, faults),
    limit: limit === undefined ? maxLetters : readLimit(text, limit, faults),
    dryRun: dryRun === undefined ? false : readTruth(text, dryRun, faults),
  };
  if (faults.length > 0) throw invalid(faults.slice(0, maxFaultsNamed));
  return choice;
}

type Members<Name extends string> = Partial<Record<Name, JsonNode>>;

function readMembers<const Name extends string>(
  text: string,
  within: string,
  names: readonly Name[],
  faults: FieldError[],
): Members<Name> {
  const tree = readJsonTree(text, treeLimits);
  if (!('node' in tree)) {
    const { path, message, tooManyItems } = tree;
    const field = pathText(within === '' ? path : [within, ...path]);
    const what = tooManyItems ? `must have at most ${maxLetters} entries` : message;
    throw invalid([{ field: field === '' ? 'body' : field, message: what }]);
  }
  if (tree.node.kind !== 'object') throw invalid([{ field: within || 'body', message: 'must be an object' }]);
  const found: Members<Name> = {};
  for (const { key, value } of tree.node.members ?? ([] as readonly JsonMember[])) {
    const field = pathText(within === '' ? [key] : [within, key]);
    const name = names.find((each) => each === key);
    if (name === undefined) faults.push({ field, message: `is an unknown field: known are ${names.join(', ')}` });
    else if (found[name] !== undefined) faults.push({ field, message: 'is a duplicate key' });
    else found[name] = value;
  }
  return found;
}

function readIds(text: string, { kind, items = [] }: JsonNode, faults: FieldError[]): bigint[] {
  if (kind !== 'array') faults.push({ field: 'ids', message: 'must be an array' });
  else if (items.length === 0) faults.push({ field: 'ids', message: 'must not be empty' });
  return items.flatMap((item, index) => {
    const given = item.kind === 'string' ? stringOf(text, item) : item.kind === 'number' ? sourceOf(text, item) : '';
    const position = positionOf(given);
    if (position === undefined) faults.push({ field: `ids[${index}]`, message: 'must be a whole number from 1' });
    return position ?? [];
  });
}

function readFilter(text: string, node: JsonNode, faults: FieldError[]): DeadLetterFilter {
  // An object within an object is not taken apart: it is read as a text of its own.
  const source = sourceOf(text, node);
  const members = readMembers(source, 'filter', inFilter, faults);
  const given: Partial<Record<(typeof inFilter)[number], string>> = {};
  for (const name of inFilter) {
    const value = members[name];
    if (value === undefined) continue;
    const field = `filter.${name}`;
    const content = value.kind === 'string' ? stringOf(source, value) : undefined;
    if (content === undefined) faults.push({ field, message: 'must be a string' });
    // The API takes an empty one as none, and then it would match everything.
    else if (content === '') faults.push({ field, message: 'must not be empty' });
    else if (loneSurrogate.test(content)) faults.push({ field, message: 'contains a lone surrogate' });
    else given[name] = content;
  }
  const instantOf = (name: 'from' | 'to') => {
    const value = given[name];
    const instant = value === undefined ? undefined : parseInstant(value);
    if (value !== undefined && instant === undefined) faults.push({ field: `filter.${name}`, message: instantForm });
    return instant;
  };
  const { topic = '', event_id: eventId = '', code = '' } = given;
  const state = DeadLetterState.DEAD_LETTER_STATE_OPEN;
  return { topic, eventId, code, state, from: instantOf('from'), to: instantOf('to') };
}

function readLimit(text: string, node: JsonNode, faults: FieldError[]): number {
  const source = sourceOf(text, node);
  const limit = node.kind === 'number' && /^\d{1,4}$/.test(source) ? Number(source) : 0;
  if (limit < 1 || limit > maxLetters) {
    faults.push({ field: 'limit', message: `must be a whole number from 1 to ${maxLetters}` });
  }
  return limit;
}

function readTruth(text: string, node: JsonNode, faults: FieldError[]): boolean {
  if (node.kind !== 'boolean') faults.push({ field: 'dry_run', message: 'must be true or false' });
  return sourceOf(text, node) === 'true';
}
