import { isUtf8 } from 'node:buffer';
import { EventsieveError } from '@eventsieve/contract/errors';
import { PublishRequest, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { DoorRequest } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';
import { toGrpcStatus } from '@eventsieve/contract/grpc-errors';
import { readRequest } from '@eventsieve/gateway/read-request';
import type { ValidEvent } from '@eventsieve/gateway/validate/validate-event';
import { isFault, type ValidRequest, validateRequest } from '@eventsieve/gateway/validate/validate-request';
import { bodyText } from '@eventsieve/query/http/read-body';
import { isBad } from '@eventsieve/query/http/read-event';
import { readEvents } from '@eventsieve/query/http/read-events';
import { type Accepted, shown } from './accepted.js';
import { sameJson } from './exact-json.js';
import { limits } from './limits.js';

/** What a door says to one input. */
export type Judged =
  | { readonly kind: 'taken'; readonly accepted: readonly Accepted[]; readonly refused: number }
  | { readonly kind: 'refused'; readonly code: string; readonly fields: number }
  | { readonly kind: 'undecodable' };

/** The smallest bound on an answer's headers among gRPC clients (grpc-java's); with some room for the other headers. */
const maxTrailerBytes = 7_500;
const maxNameCharacters = 700;
const firstUs = BigInt(Date.parse('0001-01-01T00:00:00Z')) * 1000n;
const lastUs = BigInt(Date.parse('9999-12-31T23:59:59.999Z')) * 1000n + 999n;

function wrong(what: string, input: Uint8Array | string): never {
  throw new Error(`${what}: ${shown(input)}`);
}

/** A refusal has to name what is at fault, and the answer to be one that a client takes. */
function checkRefusal(error: unknown, input: Uint8Array): Judged {
  if (!(error instanceof EventsieveError)) throw error;
  if (error.code !== 'INVALID_ARGUMENT' && error.code !== 'PAYLOAD_TOO_LARGE') wrong(`refused as ${error.code}`, input);
  if (error.fields.length === 0) wrong(`refused without a field (${error.message})`, input);
  for (const { index, field } of error.fields) {
    if (field === '' && index === undefined) wrong(`refused with an empty field (${error.message})`, input);
    if (field.length > maxNameCharacters) wrong(`a field's name has ${field.length} characters`, input);
  }
  const { details = '', metadata } = toGrpcStatus(error);
  const encoded = metadata?.get('grpc-status-details-bin')[0] ?? '';
  const trailer = encodeURI(Buffer.from(details).toString()).length + Math.ceil((encoded.length * 4) / 3);
  if (trailer > maxTrailerBytes) wrong(`the refusal takes ${trailer} bytes of headers`, input);
  return { kind: 'refused', code: error.code, fields: error.fields.length };
}

/** The gRPC door, as far as it is a function. */
export function judgeRequest(bytes: Uint8Array): Judged {
  let request: DoorRequest;
  try {
    request = readRequest(bytes);
  } catch {
    return { kind: 'undecodable' };
  }
  let valid: ValidRequest;
  try {
    valid = validateRequest(request, limits);
  } catch (error) {
    return checkRefusal(error, bytes);
  }
  const accepted: Accepted[] = [];
  for (const [index, event] of valid.events.entries()) {
    if (isFault(event)) {
      checkFault(event.field, bytes);
      continue;
    }
    if (event.timestampUs < firstUs || event.timestampUs > lastUs) wrong(`was taken at ${event.timestampUs}`, bytes);
    const given = request.events[index]?.payloadJson;
    const sent = Buffer.from(given ?? event.payload).toString();
    if (given !== undefined) checkTaken(sent);
    accepted.push({ event, sent, from: shown(bytes) });
  }
  return { kind: 'taken', accepted, refused: valid.events.length - accepted.length };
}

function checkFault(field: string, input: Uint8Array): void {
  if (field === '' || field.length > maxNameCharacters) wrong(`a field's name has ${field.length} characters`, input);
}

/** The HTTP door and the gateway behind it, as far as they are functions. */
export function judgeBody(body: Uint8Array, allowPartial: boolean): Judged {
  let events: ReturnType<typeof readEvents>['events'];
  try {
    events = readEvents(bodyText(Buffer.from(body)), limits.maxEventsPerRequest).events;
  } catch (error) {
    return checkRefusal(error, body);
  }
  const good = events.flatMap((event) => (isBad(event) ? [] : [event]));
  for (const event of events) {
    if (!isBad(event)) continue;
    if (event.faults.length === 0) wrong('an event is bad without a fault', body);
    for (const { field } of event.faults) if (field.length > maxNameCharacters) wrong('a name is too long', body);
  }
  if (good.length === 0 && events.length > 0) return { kind: 'refused', code: 'INVALID_ARGUMENT', fields: 1 };
  if (good.length < events.length && !allowPartial) return { kind: 'refused', code: 'INVALID_ARGUMENT', fields: 1 };
  const waitFor = WaitFor.WAIT_FOR_STORED;
  const judged = judgeRequest(PublishRequest.encode({ events: good, waitFor, allowPartial }).finish());
  if (judged.kind === 'undecodable') wrong('the gateway cannot read what the bridge sends', body);
  if (judged.kind !== 'taken') return judged;
  if (good.length > 0) checkBody(body, events);
  const refused = judged.refused + events.length - good.length;
  return { kind: 'taken', accepted: judged.accepted.map((each) => ({ ...each, from: shown(body) })), refused };
}

/** What was taken is JSON, by another reader, and every name in it is what that reader says. */
function checkBody(body: Uint8Array, events: ReturnType<typeof readEvents>['events']): void {
  if (!isUtf8(body)) wrong('was taken, and is not UTF-8', body);
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(body).toString());
  } catch {
    wrong('was taken, and is not JSON', body);
  }
  const list = Array.isArray(parsed) ? parsed : ((parsed as { events?: unknown[] }).events ?? [parsed]);
  events.forEach((event, index) => {
    const given = list[index] as Record<string, unknown>;
    if (isBad(event)) return;
    if (event.topic !== given.topic || event.eventId !== given.event_id || event.source !== given.source)
      wrong(`event ${index} was taken with other names`, body);
    for (const name of [event.topic, event.eventId, event.source])
      if (Buffer.from(name).toString() !== name) wrong(`event ${index} has a name that UTF-8 cannot hold`, body);
  });
}

/** What was taken as JSON text, by another hand: how deep it is, and that no key stands in it twice. */
export function checkTaken(text: string): void {
  let depth = 0;
  let members = 0;
  for (const [each] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:]/gs)) {
    if (each === '{' || each === '[') depth++;
    else if (each === '}' || each === ']') depth--;
    else if (each === ':') members++;
    if (depth > limits.maxPayloadDepth) wrong('was taken, though it is nested too deeply', text);
  }
  if (members !== membersOf(JSON.parse(text))) wrong('was taken, though a key stands in it twice', text);
}

function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner = Object.values(value).reduce((sum: number, each) => sum + membersOf(each), 0);
  return Array.isArray(value) ? inner : inner + Object.keys(value).length;
}

const refusable =
  /duplicate key|key that cannot be taken|NUL|lone surrogate|cannot be stored|nested deeper|written out/;

/** Nothing is refused without need: what JSON.parse takes for an object has one of the faults that it does not see. */
export function checkNeedful(text: string, message: string): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return;
  }
  if (Buffer.byteLength(text) > limits.maxEventBytes) return;
  const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  if (isObject && !refusable.test(message)) wrong(`refused without need (${message})`, text);
}

export function checkStruct(event: ValidEvent, expected: string, bytes: Uint8Array): void {
  const text = Buffer.from(event.payload).toString();
  if (!sameJson(text, expected)) wrong(`became ${text.slice(0, 300)}, not ${expected.slice(0, 300)}`, bytes);
}
