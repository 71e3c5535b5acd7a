import { type FieldError, invalid } from '@eventsieve/contract/errors';
import { type TailEventsRequest, TailStart } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { decodeCursor } from '../cursor.js';
import type { EventFilter, FilterFields } from '../filter/event-filter.js';
import { readFilter } from '../filter/read-filter.js';
import { payloadFormatFaults } from '../sql/event-row.js';

/** What somebody wants to follow, and where it begins. */
export interface TailQuestion {
  readonly filter: EventFilter;
  /** After this position; undefined: with what is stored from now on. */
  readonly after: bigint | undefined;
}

/** Who comes back repeats what was asked at first, and says by a cursor of its own where it is by now. */
export function readTailRequest(request: TailEventsRequest, goOnAfter = ''): TailQuestion {
  const question = readFirst(request);
  return goOnAfter === '' ? question : { ...question, after: decodeCursor(goOnAfter) };
}

function readFirst(request: TailEventsRequest): TailQuestion {
  const { start, cursor, since, payloadFormat } = request;
  const faults: FieldError[] = payloadFormatFaults(payloadFormat);
  const filter = readFilter(request, faults);
  const sinceFaults: FieldError[] = [];
  const { receivedFromUs: sinceUs } = readFilter({ ...noFields, receivedFrom: since }, sinceFaults);
  faults.push(...sinceFaults.map((fault) => ({ ...fault, field: 'since' })));
  if (start < TailStart.TAIL_START_UNSPECIFIED || start > TailStart.TAIL_START_BEGINNING) {
    faults.push({ field: 'start', message: `has no meaning for ${start}` });
  }
  const given = {
    start: start !== TailStart.TAIL_START_UNSPECIFIED,
    cursor: cursor !== '',
    since: since !== undefined,
  };
  const [first, ...others] = Object.keys(given).filter((name) => given[name as keyof typeof given]);
  for (const field of others) faults.push({ field, message: `must not be given beside ${first}` });
  if (faults.length > 0) throw invalid(faults);

  if (cursor !== '') return { filter, after: decodeCursor(cursor) };
  if (sinceUs !== undefined) return { filter: receivedSince(filter, sinceUs), after: 0n };
  return { filter, after: start === TailStart.TAIL_START_BEGINNING ? 0n : undefined };
}

const noFields: FilterFields = { topic: '', topicExact: '', source: '', eventId: '', payload: '' };

function receivedSince(filter: EventFilter, sinceUs: bigint): EventFilter {
  const { receivedFromUs = sinceUs } = filter;
  return { ...filter, receivedFromUs: receivedFromUs > sinceUs ? receivedFromUs : sinceUs };
}
