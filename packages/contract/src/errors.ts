import { status as grpcStatus } from '@grpc/grpc-js';

/** What went wrong, in the words of both doors. The table below gives each its gRPC code and HTTP status. */
export type ErrorCode = keyof typeof errorCodes;

export const errorCodes = {
  INVALID_ARGUMENT: { grpc: grpcStatus.INVALID_ARGUMENT, http: 400 },
  NOT_FOUND: { grpc: grpcStatus.NOT_FOUND, http: 404 },
  METHOD_NOT_ALLOWED: { grpc: grpcStatus.UNIMPLEMENTED, http: 405 },
  PAYLOAD_TOO_LARGE: { grpc: grpcStatus.INVALID_ARGUMENT, http: 413 },
  UNSUPPORTED_MEDIA_TYPE: { grpc: grpcStatus.INVALID_ARGUMENT, http: 415 },
  RESOURCE_EXHAUSTED: { grpc: grpcStatus.RESOURCE_EXHAUSTED, http: 429 },
  UNAVAILABLE: { grpc: grpcStatus.UNAVAILABLE, http: 503 },
  DEADLINE_EXCEEDED: { grpc: grpcStatus.DEADLINE_EXCEEDED, http: 503 },
  INTERNAL: { grpc: grpcStatus.INTERNAL, http: 500 },
} as const;

/** One field at fault. `index` is the event's place in the request; absent when the request itself is at fault. */
export interface FieldError {
  readonly index?: number;
  readonly field: string;
  readonly message: string;
}

export interface ErrorDetails {
  readonly fields?: readonly FieldError[];
  /** When trying again may help. */
  readonly retryAfterMs?: number;
  /** A name for machines, such as STREAM_FULL. */
  readonly reason?: string;
  /** The place of the request in its stream, from 0: so many requests before it were answered. */
  readonly request?: number;
  /** Where to go on: everything before it was sent. */
  readonly cursor?: string;
  readonly cause?: unknown;
}

/** The one error that leaves a service. Anything else thrown is a bug and leaves as INTERNAL. */
export class EventsieveError extends Error {
  readonly code: ErrorCode;
  readonly fields: readonly FieldError[];
  readonly retryAfterMs: number | undefined;
  readonly reason: string | undefined;
  readonly request: number | undefined;
  readonly cursor: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'EventsieveError';
    this.code = code;
    this.fields = details.fields ?? [];
    this.retryAfterMs = details.retryAfterMs;
    this.reason = details.reason;
    this.request = details.request;
    this.cursor = details.cursor;
  }
}

/** A refusal of input, whose message names the first field at fault: `events[3].topic: must not be empty`. */
export function invalid(fields: readonly FieldError[]): EventsieveError {
  const first = fields[0];
  const more = fields.length > 1 ? ` (and ${fields.length - 1} more)` : '';
  const message = first ? `${fieldPath(first)}: ${first.message}${more}` : 'invalid request';
  return new EventsieveError('INVALID_ARGUMENT', message, { fields, reason: 'INVALID_FIELD' });
}

export function fieldPath({ index, field }: FieldError): string {
  if (index === undefined) return field;
  return field === '' ? `events[${index}]` : `events[${index}].${field}`;
}
