import { status as grpcStatus, Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { type ErrorCode, EventsieveError, errorCodes, type FieldError, fieldPath } from './errors.js';
import { BadRequest, ErrorInfo, RetryInfo, Status } from './gen/google/rpc/status.js';

const detailsKey = 'grpc-status-details-bin';
const domain = 'eventsieve';
const typeUrl = (name: string) => `type.googleapis.com/google.rpc.${name}`;

/** An error as gRPC carries it, with the google.rpc details that say which field, and when to try again. */
export function toGrpcStatus(error: EventsieveError): Partial<StatusObject> {
  const place: Record<string, string> = {
    ...(error.request === undefined ? {} : { request: String(error.request) }),
    ...(error.cursor === undefined ? {} : { cursor: error.cursor }),
  };
  const details: { typeUrl: string; value: Buffer }[] = [
    {
      typeUrl: typeUrl('ErrorInfo'),
      value: encoded(ErrorInfo, {
        reason: error.reason ?? error.code,
        domain,
        metadata: { code: error.code, ...place },
      }),
    },
  ];
  if (error.fields.length > 0) {
    const fieldViolations = error.fields.map((field) => ({ field: fieldPath(field), description: field.message }));
    details.push({ typeUrl: typeUrl('BadRequest'), value: encoded(BadRequest, { fieldViolations }) });
  }
  if (error.retryAfterMs !== undefined) {
    const retryDelay = {
      seconds: BigInt(Math.floor(error.retryAfterMs / 1000)),
      nanos: Math.round(error.retryAfterMs % 1000) * 1_000_000,
    };
    details.push({ typeUrl: typeUrl('RetryInfo'), value: encoded(RetryInfo, { retryDelay }) });
  }
  const code = errorCodes[error.code].grpc;
  const metadata = new Metadata();
  metadata.set(detailsKey, encoded(Status, { code, message: error.message, details }));
  return { code, details: error.message, metadata };
}

/** What a client makes of a failed call. */
export function fromGrpcError(error: ServiceError): EventsieveError {
  let code: ErrorCode = codeOfBareStatus(error.code);
  let reason: string | undefined;
  let request: number | undefined;
  let cursor: string | undefined;
  let fields: FieldError[] = [];
  let retryAfterMs: number | undefined;
  for (const detail of detailsOf(error)) {
    if (detail.typeUrl === typeUrl('ErrorInfo')) {
      const info = ErrorInfo.decode(detail.value);
      reason = info.reason;
      const exact = info.metadata.code;
      if (exact !== undefined && exact in errorCodes) code = exact as ErrorCode;
      if (info.metadata.request !== undefined) request = Number(info.metadata.request);
      cursor = info.metadata.cursor;
    } else if (detail.typeUrl === typeUrl('BadRequest')) {
      fields = BadRequest.decode(detail.value).fieldViolations.map((violation) => ({
        ...parsePath(violation.field),
        message: violation.description,
      }));
    } else if (detail.typeUrl === typeUrl('RetryInfo')) {
      const delay = RetryInfo.decode(detail.value).retryDelay;
      if (delay) retryAfterMs = Number(delay.seconds) * 1000 + delay.nanos / 1_000_000;
    }
  }
  return new EventsieveError(code, error.details, {
    fields,
    cause: error,
    ...(reason === undefined ? {} : { reason }),
    ...(request === undefined ? {} : { request }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function detailsOf(error: ServiceError) {
  const raw = error.metadata?.get(detailsKey)[0];
  if (!Buffer.isBuffer(raw)) return [];
  try {
    return Status.decode(raw).details;
  } catch {
    return [];
  }
}

// What grpc-js says by itself when a connection breaks in the middle of an answer. Our servers' own errors, INTERNAL
// among them, carry their code in the details.
const brokenOff = new Set([grpcStatus.CANCELLED, grpcStatus.ABORTED, grpcStatus.UNKNOWN, grpcStatus.INTERNAL]);

/** Of an error without details, as far as these say nothing else. */
function codeOfBareStatus(code: number): ErrorCode {
  if (brokenOff.has(code)) return 'UNAVAILABLE';
  const found = Object.entries(errorCodes).find(([, row]) => row.grpc === code);
  return (found?.[0] as ErrorCode | undefined) ?? 'INTERNAL';
}

function parsePath(path: string): { index?: number; field: string } {
  const match = /^events\[(\d+)\](?:\.(.*))?$/s.exec(path);
  return match ? { index: Number(match[1]), field: match[2] ?? '' } : { field: path };
}

function encoded<T>(message: { encode(value: T): { finish(): Uint8Array } }, value: T): Buffer {
  return Buffer.from(message.encode(value).finish());
}
