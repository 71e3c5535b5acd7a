import { QueryServiceService } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { EventsieveError, refuse } from './error.js';

export interface Erasure {
  /** Events whose content was removed; 0 when it was gone before. */
  readonly erased: number;
}

/**
 * All of it, in as many calls as it takes, each with the time of one. Undefined when nothing of it was ever seen. Without
 * an id it is the whole topic.
 */
export async function eraseEvents(
  query: Peer,
  target: { readonly topic: string; readonly eventId?: string },
  settings: CallSettings,
): Promise<Erasure | undefined> {
  // On the wire no id means all of the topic, which must not come of one that is missing by mistake.
  if ('eventId' in target && !target.eventId) throw refuse([{ field: 'event_id', message: 'must not be empty' }]);
  const { topic, eventId = '' } = target;
  const request = { topic, eventId };
  let erased = 0;
  for (;;) {
    try {
      const answer = await callUnary(query, QueryServiceService.eraseEvents, request, settings);
      erased += Number(answer.erased);
      if (!answer.more) return { erased };
    } catch (error) {
      if (error instanceof EventsieveError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }
}
