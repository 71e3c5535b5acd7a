import { createGunzip } from 'node:zlib';
import { EventsieveError, invalid } from '@eventsieve/contract/errors';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { HoldBytes } from './bound-bodies.js';

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
export function takeBodies(app: FastifyInstance, maxBytes: number, hold: HoldBytes): void {
  app.removeAllContentTypeParsers();
  const take = (type: string, of: (bytes: Buffer) => Buffer | OtherBody) =>
    app.addContentTypeParser(type, { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer, done) => {
      const encoding = request.headers['content-encoding'];
      if (encoding === undefined) return done(null, of(body));
      decoded(encoding, body, maxBytes, (bytes) => hold(request, bytes)).then((bytes) => done(null, of(bytes)), done);
    });
  take('application/json', (bytes) => bytes);
  for (const type of [linesType, cloudEventType, cloudEventsType] as const) take(type, (bytes) => ({ type, bytes }));
  take('*', (bytes) => ({ type: 'any', bytes }));
}

async function decoded(given: string, body: Buffer, maxBytes: number, hold: (bytes: number) => void): Promise<Buffer> {
  const encoding = given.trim().toLowerCase();
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new EventsieveError('UNSUPPORTED_MEDIA_TYPE', 'content-encoding must be gzip or identity');
  }
  const bytes = await inflated(body, maxBytes, hold).catch((error) => {
    throw error instanceof EventsieveError ? error : invalid([{ field: 'body', message: 'is not what gzip writes' }]);
  });
  hold(-body.length);
  return bytes;
}

/** Piece by piece, each of them counted: many small bodies may inflate to much at the same time. */
async function inflated(body: Buffer, maxBytes: number, hold: (bytes: number) => void): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  const gunzip = createGunzip();
  gunzip.end(body);
  for await (const piece of gunzip as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > maxBytes) {
      throw new EventsieveError('PAYLOAD_TOO_LARGE', `the body inflates to more than ${maxBytes} bytes`);
    }
    hold(piece.length);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, length);
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
