import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { EventsieveError, invalid } from '@eventsieve/contract/errors';
import type { FastifyInstance, FastifyRequest } from 'fastify';

const inflate = promisify(gunzip);
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Hands a JSON body on as the bytes that came: parsing it here would lose digits and duplicate keys. */
export function takeJsonBodies(app: FastifyInstance, maxBytes: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
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
  });
}

export function bodyText(body: unknown): string {
  if (!Buffer.isBuffer(body)) {
    throw new EventsieveError('UNSUPPORTED_MEDIA_TYPE', 'a body with content-type application/json is wanted');
  }
  try {
    return utf8.decode(body);
  } catch {
    throw invalid([{ field: 'body', message: 'is not valid UTF-8' }]);
  }
}
