import {
  EventsieveError as ContractError,
  type ErrorCode,
  type FieldError,
  invalid,
} from '@eventsieve/contract/errors';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import type { ServiceError } from '@grpc/grpc-js';

export type { ErrorCode, FieldError };

/** Every failure of a call. Its message names the first field at fault, such as `events[3].topic: must not be empty`. */
export class EventsieveError extends Error {
  override readonly name = 'EventsieveError';
  readonly code: ErrorCode;
  /** What is wrong with the request; `index` is the event's place in it. */
  readonly fields: readonly FieldError[];
  /** The same call, with the same ids, may go well later. Publishing again is always safe. */
  readonly retryable: boolean;
  /** How long the server asks to wait before that. */
  readonly retryAfterMs: number | undefined;
  /** A name for machines, such as STREAM_FULL. */
  readonly reason: string | undefined;

  constructor({ code, message, fields, retryAfterMs, reason, cause }: ContractError) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.fields = fields;
    this.retryable = retryableCodes.has(code) && reason !== closedHere;
    this.retryAfterMs = retryAfterMs;
    this.reason = reason;
  }
}

const retryableCodes: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED']);

/** A refusal before anything was sent, in the gateway's words. */
export function refuse(fields: readonly FieldError[]): EventsieveError {
  return new EventsieveError(invalid(fields.slice(0, maxFieldsNamed)));
}

const maxFieldsNamed = 20;

/** Who has sent one event knows no places of events. */
export function withoutIndex(error: EventsieveError): EventsieveError {
  if (error.code !== 'INVALID_ARGUMENT' || error.fields.length === 0) return error;
  return refuse(error.fields.map(({ field, message }) => ({ field: field || 'event', message })));
}

// What ends here, and not at a server.
const closedHere = 'CLOSED';

export function closed(message: string, cause?: unknown): EventsieveError {
  return new EventsieveError(new ContractError('UNAVAILABLE', message, { reason: closedHere, cause }));
}

/** Sending the same again, with the same ids, is safe. */
export function aborted(cause: unknown): EventsieveError {
  const message = 'given up before it was answered; it may have been taken';
  return new EventsieveError(new ContractError('UNAVAILABLE', message, { reason: 'ABORTED', cause }));
}

export function timedOut(message: string, reason = 'TIMED_OUT'): EventsieveError {
  return new EventsieveError(new ContractError('DEADLINE_EXCEEDED', message, { reason }));
}

/** What the caller's own function threw, which may go well the next time. */
export function noMetadata(cause: unknown): EventsieveError {
  if (cause instanceof EventsieveError) return cause;
  const message = `the metadata of the call could not be had: ${cause instanceof Error ? cause.message : String(cause)}`;
  return new EventsieveError(new ContractError('UNAVAILABLE', message, { reason: 'METADATA', cause }));
}

/** A failure that is ours. */
export function unforeseen(cause: unknown): EventsieveError {
  if (cause instanceof EventsieveError) return cause;
  return new EventsieveError(new ContractError('INTERNAL', `the client failed: ${String(cause)}`, { cause }));
}

export function brokenAnswer(): EventsieveError {
  return new EventsieveError(new ContractError('INTERNAL', 'the answer has fewer verdicts than events were sent'));
}

export function unreadable(address: string, cause: unknown): EventsieveError {
  return new EventsieveError(new ContractError('INTERNAL', `${address}: the answer cannot be read`, { cause }));
}

// grpc-js has one code for a server that is busy and for a message that will never fit.
const tooLarge = /message larger than max|size larger than/;
// What is left of a call whose server was killed; grpc-js calls it INTERNAL.
const cutOff = /^Received RST_STREAM with code/;
const noConnection = /^No connection established\. Last error: (?:Error: )?(.*?)\. Resolution note:/;

export function ofGrpc(error: ServiceError, address: string): EventsieveError {
  const known = fromGrpcError(error);
  if (known.reason !== undefined) return new EventsieveError(known);
  let code = known.code;
  if (tooLarge.test(error.details)) code = 'PAYLOAD_TOO_LARGE';
  else if (code === 'INTERNAL' && cutOff.test(error.details)) code = 'UNAVAILABLE';
  const [, unreachable] = noConnection.exec(error.details) ?? [];
  const message = unreachable ? `${address} cannot be reached: ${unreachable}` : `${address}: ${error.details}`;
  return new EventsieveError(new ContractError(code, message, { cause: error }));
}
