import { type FieldError, invalid } from '@eventsieve/contract/errors';
import type { FastifyRequest } from 'fastify';
import { decodeCursor } from '../cursor.js';
import { positionOf } from '../dead-letters/position-text.js';
import type { EventFilter } from '../filter/event-filter.js';
import { readFilter } from '../filter/read-filter.js';
import { filterFieldsOf, filterParameters } from '../http/filter-parameters.js';
import { readChoice, readParameters } from '../http/parameters.js';
import { type WriteLine, writeCloudEvent, writeEvent, writeEventWithMeta } from './write-line.js';

export interface ExportRequest {
  readonly filter: EventFilter;
  readonly after: bigint | undefined;
  readonly writeLine: WriteLine;
  /** As it is, as a gzip file, or as text that gzip carries. */
  readonly wrapping: 'none' | 'file' | 'encoding';
}

export function readExportRequest(request: FastifyRequest): ExportRequest {
  const given = readParameters(request, [...filterParameters, 'cursor', 'format', 'meta']);
  const format = readChoice('format', given.format, ['ndjson', 'gzip', 'cloudevents'], 'ndjson');
  const meta = readChoice('meta', given.meta, ['true', 'false'], 'false') === 'true';
  const faults: FieldError[] = [];
  const filter = readFilter(filterFieldsOf(given), faults);
  if (meta && format === 'cloudevents') {
    faults.push({ field: 'meta', message: 'must not be given with format=cloudevents' });
  }
  if (faults.length > 0) throw invalid(faults);
  return {
    filter,
    after: given.cursor === undefined ? undefined : startOf(given.cursor),
    writeLine: format === 'cloudevents' ? writeCloudEvent : meta ? writeEventWithMeta : writeEvent,
    wrapping: format === 'gzip' ? 'file' : takesGzip(request.headers['accept-encoding']) ? 'encoding' : 'none',
  };
}

/** The cursor of a list, or the id of an event: an export that broke off gives nobody a cursor. */
function startOf(cursor: string): bigint {
  return positionOf(cursor) ?? decodeCursor(cursor);
}

function takesGzip(acceptEncoding: string | undefined): boolean {
  const offers = (acceptEncoding ?? '').toLowerCase().split(',');
  return offers.some((offer) => {
    const [coding = '', ...parameters] = offer.split(';').map((part) => part.trim());
    return /^(?:x-)?gzip$/.test(coding) && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  });
}
