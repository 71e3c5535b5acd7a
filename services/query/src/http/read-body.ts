import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { EventsieveError, invalid } from '@eventsieve/contract/errors';
import type { FastifyInstance, FastifyRequest } from 'fastify';

const inflate = promisify(gunzip);
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const linesType = 'application/x-ndjson';
export const cloudEventType = 'application/cloudevents+json';
export const cloudEventsType = 'application/cloudevents-batch+json';

/** The bytes of a body that is no JSON by its type; inflated if anything reads bodies of that type. */
export interface OtherBody {
  readonly type: typeof linesType | typeof cloudEventType | typeof cloudEventsType | 'any';
  readonly bytes: Buffer;
}

/**
 * Hands a body on as the bytes that came: parsing JSON here would lose digits and duplicate keys. One of any other type
 * is for the route to take, with whatever else the request says of it.
 */
export function takeBodies(app: FastifyInstance, maxBytes: number): void {
  app.removeAllContentTypeParsers();
  const take = (type: string, of: (bytes: Buffer) => Buffer | OtherBody) =>
    app.addContentTypeParser(type, { parseAs: 'buffer' }, async ({ headers }: FastifyRequest, body: Buffer) => {
      const encoding = headers['content-encoding'];
      return of(encoding === undefined ? body : await decoded(encoding, body, maxBytes));
    });
  take('application/json', (bytes) => bytes);
  for (const type of [linesType, cloudEventType, cloudEventsType] as const) take(type, (bytes) => ({ type, bytes }));
  take('*', (bytes) => ({ type: 'any', bytes }));
}

async function decoded(given: string, body: Buffer, maxBytes: number): Promise<Buffer> {
  const encoding = given.trim().toLowerCase();
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new EventsieveError('UNSUPPORTED_MEDIA_TYPE', 'content-encoding must be gzip or identity');
  }
  try {
    return await inflate(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new EventsieveError('PAYLOAD_TOO_LARGE', `the body inflates to more than ${maxBytes} bytes`);
    }
    throw invalid([{ field: 'body', message: 'is not what gzip writes' }]);
  }
}

/** The text of a JSON body, in a request that takes no other. */
export function bodyText(body: unknown): string {
  if (!Buffer.isBuffer(body)) {
    throw new EventsieveError('UNSUPPORTED_MEDIA_TYPE', 'a body with content-type application/json is wanted');
  }
  return textOf(body);
}

export function textOf(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw invalid([{ field: 'body', message: 'is not valid UTF-8' }]);
  }
}
