import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Verdicts } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Reason } from './dead-letter.js';
import type { Delivery } from './delivery.js';
import type { Judgement } from './store-batch.js';

/** Tells each gateway that waits the verdicts on its copies: one message to each. Lost ones are answered as ACCEPTED. */
export function answerWaiters(
  connection: NatsConnection,
  batch: readonly Delivery[],
  judgements: ReadonlyMap<bigint, Judgement>,
  reason: Reason | undefined,
): void {
  const verdictsOf = new Map<string, Verdicts['verdicts']>();
  for (const { content, position, redrive } of batch) {
    // Whoever waited for a dead letter has had its verdict.
    if (content.kind !== 'copy' || content.copy.replyTo === '' || redrive) continue;
    const judgement = judgements.get(position);
    const outcome = judgement ? judgement.outcome : Outcome.OUTCOME_STORED;
    // A message that an earlier epoch settled: its first verdict was given then.
    if (outcome === Outcome.OUTCOME_UNSPECIFIED) continue;
    const { replyTo, ticket } = content.copy;
    const verdict = {
      ticket,
      outcome,
      position,
      firstSeenAtUs: judgement?.firstSeenAtUs ?? 0n,
      reason: reason ? `${reason.code}: ${reason.message}` : '',
    };
    const verdicts = verdictsOf.get(replyTo);
    if (verdicts) verdicts.push(verdict);
    else verdictsOf.set(replyTo, [verdict]);
  }
  for (const [replyTo, verdicts] of verdictsOf) {
    try {
      connection.publish(replyTo, Verdicts.encode({ verdicts }).finish());
    } catch {
      // No subject that a gateway would have given: nobody waits there. What is stored must not be stored again for it.
    }
  }
}
