import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';

export const outcomeNames: Readonly<Partial<Record<Outcome, string>>> = {
  [Outcome.OUTCOME_ACCEPTED]: 'accepted',
  [Outcome.OUTCOME_STORED]: 'stored',
  [Outcome.OUTCOME_DUPLICATE]: 'duplicate',
  [Outcome.OUTCOME_CONFLICT]: 'conflict',
  [Outcome.OUTCOME_REJECTED]: 'rejected',
  [Outcome.OUTCOME_DEAD_LETTERED]: 'dead_lettered',
};
