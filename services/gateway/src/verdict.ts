import type { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';

/** What is answered of one copy that passed validation. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly position?: bigint;
  readonly firstSeenAtUs?: bigint;
  readonly reason?: string;
}
