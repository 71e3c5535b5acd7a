import {
  type IngestServiceClient,
  WaitFor,
  Outcome as WireOutcome,
  type PublishResult as WirePublishResult,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { encodeEvents } from './encode-event.js';
import type { NewEvent } from './event.js';
import { formatInstant } from './instant.js';

/**
 * The verdict on one copy. `accepted`: durable in the broker, and not known yet whether it is a repeat. `stored`: this
 * copy is the stored event. `duplicate`: the event was taken before. `conflict`: its id is stored with another payload or
 * source, and stays as it is. `rejected`: refused by validation, never received. `dead_lettered`: kept, but cannot be stored.
 */
export type Outcome = 'accepted' | 'stored' | 'duplicate' | 'conflict' | 'rejected' | 'dead_lettered';

export interface PublishOptions extends CallSettings {
  /** What must have happened before the answer: `stored` (default) is in Postgres with a verdict, `broker` is durable. */
  readonly wait?: 'broker' | 'stored' | undefined;
  /** Each event has its own verdict; without it one bad event refuses them all, and nothing is published. */
  readonly allowPartial?: boolean | undefined;
}

export interface PublishResult {
  readonly topic: string;
  readonly eventId: string;
  readonly outcome: Outcome;
  /** The place of this copy in the order of all; absent while it is not known. */
  readonly position?: bigint;
  /** When the stored event with this id was received (ISO 8601, UTC); for duplicates and conflicts. */
  readonly firstSeenAt?: string;
  /** Why; for rejected and dead-lettered copies. */
  readonly error?: { readonly code: string; readonly message: string; readonly field: string };
}

export interface PublishAnswer {
  /** Copies in the request. */
  readonly received: number;
  /** received − duplicates − rejected. */
  readonly accepted: number;
  /** Copies that became the stored event; 0 while that is not known. */
  readonly inserted: number;
  /** Copies that repeat an event; conflicts are counted in. */
  readonly duplicates: number;
  readonly conflicts: number;
  readonly rejected: number;
  /** One per event, in the order of the request. */
  readonly results: readonly PublishResult[];
}

export async function publishEvents(
  gateway: Peer<IngestServiceClient>,
  events: readonly NewEvent[],
  { wait = 'stored', allowPartial = false, ...settings }: PublishOptions,
): Promise<PublishAnswer> {
  const waitFor = wait === 'stored' ? WaitFor.WAIT_FOR_STORED : WaitFor.WAIT_FOR_BROKER;
  const request = { events: encodeEvents(events), waitFor, allowPartial };
  const response = await callUnary(gateway, gateway.client.publish, request, settings);
  return { ...response, results: response.results.map(resultOf) };
}

export const outcomes: Readonly<Partial<Record<WireOutcome, Outcome>>> = {
  [WireOutcome.OUTCOME_ACCEPTED]: 'accepted',
  [WireOutcome.OUTCOME_STORED]: 'stored',
  [WireOutcome.OUTCOME_DUPLICATE]: 'duplicate',
  [WireOutcome.OUTCOME_CONFLICT]: 'conflict',
  [WireOutcome.OUTCOME_REJECTED]: 'rejected',
  [WireOutcome.OUTCOME_DEAD_LETTERED]: 'dead_lettered',
};

function resultOf({ topic, eventId, outcome, position, firstSeenAt, error }: WirePublishResult): PublishResult {
  return {
    topic,
    eventId,
    // A word of a later version: taken it was, and what became of it is not known here.
    outcome: outcomes[outcome] ?? 'accepted',
    ...(position === 0n ? {} : { position }),
    ...(firstSeenAt ? { firstSeenAt: formatInstant(firstSeenAt) } : {}),
    ...(error ? { error } : {}),
  };
}
