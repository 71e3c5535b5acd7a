import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { findJsonFault } from '@eventsieve/runtime/json-text';
import type { ReadEvent } from '../http/read-event.js';
import { addMember, addText, type Draft, emptyDraft, eventOf, isAttributeName } from './attributes.js';
import { decodeHeaderValue } from './header-value.js';

const prefix = 'ce-';
const required = ['ce-specversion', 'ce-id', 'ce-source', 'ce-type'];

/** Any of the required attributes makes it one, so that those which are missing are named. */
export function isBinaryMode(headers: IncomingHttpHeaders): boolean {
  return required.some((name) => headers[name] !== undefined);
}

/** A CloudEvent whose attributes are headers and whose data is the body. Attributes in order, since proxies keep none. */
export function readBinary(
  { headersDistinct, headers }: Pick<IncomingMessage, 'headersDistinct' | 'headers'>,
  body: Buffer,
  takenAtMs: number,
): ReadEvent {
  const draft = emptyDraft();
  const names = Object.keys(headersDistinct).filter((name) => name.startsWith(prefix));
  for (const header of names.sort()) {
    const name = header.slice(prefix.length);
    const [value = '', ...more] = headersDistinct[header] ?? [];
    if (name === 'datacontenttype') {
      draft.faults.push({ field: name, message: 'is the header content-type, not ce-datacontenttype' });
    } else if (name === 'data') draft.faults.push({ field: name, message: 'is the body, not a header' });
    else if (more.length > 0) draft.faults.push({ field: name, message: 'is given more than once' });
    else if (isAttributeName(draft, name)) addHeader(draft, name, value);
  }
  const contentType = headers['content-type'];
  if (contentType !== undefined) addText(draft, 'datacontenttype', contentType);
  if (body.length > 0) addData(draft, contentType, body);
  return eventOf(draft, takenAtMs);
}

function addHeader(draft: Draft, name: string, value: string): void {
  const text = decodeHeaderValue(value);
  if (text === undefined) draft.faults.push({ field: name, message: 'is not valid UTF-8' });
  else addText(draft, name, text);
}

const jsonType = /^[^/;\s]+\/(?:json|[^/;\s]+\+json)\s*(?:;|$)/i;
const textType = /^(?:text\/[^;]+|application\/xml|[^/;\s]+\/[^/;\s]+\+xml)\s*(?:;|$)/i;
const otherCharset = /;\s*charset\s*=(?!\s*"?(?:utf-8|us-ascii)"?\s*(?:;|$))/i;

function addData(draft: Draft, contentType: string | undefined, body: Buffer): void {
  if (contentType !== undefined && jsonType.test(contentType)) addJson(draft, body);
  // NUL is the one character that Postgres cannot hold.
  else if (contentType !== undefined && isText(contentType) && isUtf8(body) && !body.includes(0)) {
    addMember(draft, 'data', JSON.stringify(body.toString('utf8')));
  } else addMember(draft, 'data_base64', JSON.stringify(body.toString('base64')));
}

function isText(contentType: string): boolean {
  return textType.test(contentType) && !otherCharset.test(contentType);
}

function addJson(draft: Draft, body: Buffer): void {
  const text = isUtf8(body) ? body.toString('utf8') : undefined;
  const fault = text === undefined ? { path: '', message: 'is not valid UTF-8' } : findJsonFault(text);
  if (fault !== undefined) {
    const within = fault.path === '' || fault.path.startsWith('[') ? '' : '.';
    draft.faults.push({ field: `data${within}${fault.path}`, message: fault.message });
  }
  addMember(draft, 'data', text ?? 'null');
}
