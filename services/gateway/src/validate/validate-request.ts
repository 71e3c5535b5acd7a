import { type FieldError, invalid } from '@eventsieve/contract/errors';
import { WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { DoorRequest } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';
import type { EventLimits } from '../config.js';
import { type Fault, type ValidEvent, validateEvent } from './validate-event.js';

export interface ValidRequest {
  readonly waitForStored: boolean;
  /** By the event's place in the request: the event, or what is wrong with it (only with allow_partial). */
  readonly events: readonly (ValidEvent | Fault)[];
}

/**
 * An answer that names every bad event of a thousand would be larger than the request; and it goes as headers, of which
 * some gRPC clients take no more than 8 KiB.
 */
const maxFaultsNamed = 20;
const maxFaultBytes = 1500;

export function isFault(event: ValidEvent | Fault): event is Fault {
  return 'field' in event;
}

/** Refuses at the door what any later part cannot hold. */
export function validateRequest(request: DoorRequest, limits: EventLimits): ValidRequest {
  const { events: given, waitFor, allowPartial } = request;
  if (given.length === 0) throw invalid([{ field: 'events', message: 'must hold at least one event' }]);
  if (given.length > limits.maxEventsPerRequest) {
    const message = `must hold at most ${limits.maxEventsPerRequest} events (MAX_EVENTS_PER_REQUEST), but holds ${given.length}`;
    throw invalid([{ field: 'events', message }]);
  }
  if (waitFor < WaitFor.WAIT_FOR_UNSPECIFIED || waitFor > WaitFor.WAIT_FOR_STORED) {
    throw invalid([{ field: 'wait_for', message: `has no meaning for ${waitFor}` }]);
  }

  const faults: FieldError[] = [];
  let faultBytes = 0;
  const events = given.map((event, index) => {
    const result = validateEvent(event, limits);
    if (isFault(result) && !allowPartial && faults.length < maxFaultsNamed) {
      faultBytes += Buffer.byteLength(result.field) + Buffer.byteLength(result.message);
      if (faults.length === 0 || faultBytes <= maxFaultBytes) faults.push({ index, ...result });
    }
    return result;
  });
  if (faults.length > 0) throw invalid(faults);
  return { waitForStored: waitFor === WaitFor.WAIT_FOR_STORED, events };
}
