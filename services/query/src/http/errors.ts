import { type ErrorCode, EventsieveError, errorCodes } from '@eventsieve/contract/errors';
import { foreseen } from '@eventsieve/runtime/grpc-server';
import type { Logger } from '@eventsieve/runtime/logger';
import { databaseError } from '../sql/database.js';

export interface HttpFailure {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  readonly body: string;
}

const defaultRetryAfterMs = 1_000;

/** Any error as the contract's body, with its status. */
export function httpFailure(error: unknown, logger: Logger, where: string): HttpFailure {
  const known = foreseen(databaseError(ofFramework(error) ?? error), logger, where);
  const status = errorCodes[known.code].http;
  const again = status === 429 || status === 503;
  return {
    status,
    retryAfterSeconds: again ? Math.max(1, Math.ceil((known.retryAfterMs ?? defaultRetryAfterMs) / 1000)) : undefined,
    body: failureBody(known),
  };
}

export function failureBody({ code, message, fields }: EventsieveError): string {
  return JSON.stringify({
    error: {
      code: code.toLowerCase(),
      message,
      fields: fields.map(({ index, field, message: what }) => ({
        ...(index === undefined ? {} : { index }),
        field,
        message: what,
      })),
    },
  });
}

const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID_ARGUMENT',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  503: 'UNAVAILABLE',
};

/** What Fastify itself refuses: a body too large, another media type, a URL that cannot be decoded. */
function ofFramework(error: unknown): EventsieveError | undefined {
  const { statusCode, code, message } = error as { statusCode?: unknown; code?: unknown; message?: string };
  if (typeof statusCode !== 'number' || typeof code !== 'string' || !code.startsWith('FST_')) return undefined;
  const known = codeOfStatus[statusCode];
  if (known === undefined) return undefined;
  const what = message ?? known;
  const field = code.startsWith('FST_ERR_CTP_') ? 'body' : 'url';
  return new EventsieveError(known, what, {
    cause: error,
    ...(known === 'INVALID_ARGUMENT' ? { fields: [{ field, message: what }] } : {}),
  });
}
