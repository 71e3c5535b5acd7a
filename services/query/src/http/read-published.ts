import { EventsieveError } from '@eventsieve/contract/errors';
import type { FastifyRequest } from 'fastify';
import { isBinaryMode, readBinary } from '../cloudevents/read-binary.js';
import { readCloudEvents } from '../cloudevents/read-cloud-events.js';
import { cloudEventsType, cloudEventType, linesType, type OtherBody, textOf } from './read-body.js';
import { type ReadRequest, readEvents } from './read-events.js';
import { readLines } from './read-lines.js';

/** The events of a request to publish, in whichever form they came. */
export function readPublished({ body, headers, raw }: FastifyRequest, maxEvents: number): ReadRequest {
  const given = body as Buffer | OtherBody | null | undefined;
  const json = Buffer.isBuffer(given) ? given : undefined;
  const other = Buffer.isBuffer(given) ? undefined : given;
  // The type of a body goes before headers that look like attributes.
  if (other?.type === cloudEventType || other?.type === cloudEventsType) {
    return readCloudEvents(textOf(other.bytes), other.type === cloudEventsType, maxEvents);
  }
  if (isBinaryMode(headers)) {
    const event = readBinary(raw, json ?? other?.bytes ?? Buffer.alloc(0), Date.now());
    return { single: true, events: [event], cloudEvents: true };
  }
  if (json !== undefined) return readEvents(textOf(json), maxEvents);
  if (other?.type === linesType) return readLines(textOf(other.bytes), maxEvents);
  throw new EventsieveError(
    'UNSUPPORTED_MEDIA_TYPE',
    `content-type must be application/json, ${linesType}, ${cloudEventType} or ${cloudEventsType}, or there must be ` +
      'headers of a CloudEvent: ce-specversion, ce-id, ce-source and ce-type',
  );
}
