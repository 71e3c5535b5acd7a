import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Reason } from './dead-letter.js';
import type { Delivery } from './delivery.js';
import type { Judgement } from './store-batch.js';
import { type VerdictsWriter, writeVerdicts } from './write-verdicts.js';

/** Tells each gateway that waits the verdicts on its copies: one message to each. Lost ones are answered as ACCEPTED. */
export function answerWaiters(
  connection: NatsConnection,
  batch: readonly Delivery[],
  judgements: ReadonlyMap<bigint, Judgement>,
  reason: Reason | undefined,
): void {
  const writers = new Map<string, VerdictsWriter>();
  const why = reason ? `${reason.code}: ${reason.message}` : '';
  for (const { content, position, redrive } of batch) {
    // Whoever waited for a dead letter has had its verdict.
    if (content.kind !== 'copy' || content.copy.replyTo === '' || redrive) continue;
    const judgement = judgements.size === 0 ? undefined : judgements.get(position);
    const outcome = judgement ? judgement.outcome : Outcome.OUTCOME_STORED;
    // A message that an earlier epoch settled: its first verdict was given then.
    if (outcome === Outcome.OUTCOME_UNSPECIFIED) continue;
    const { replyTo, ticket } = content.copy;
    let writer = writers.get(replyTo);
    if (writer === undefined) {
      writer = writeVerdicts();
      writers.set(replyTo, writer);
    }
    writer.add(ticket, outcome, position, judgement?.firstSeenAtUs ?? 0n, why);
  }
  for (const [replyTo, writer] of writers) {
    try {
      connection.publish(replyTo, writer.finish());
    } catch {
      // No subject that a gateway would have given: nobody waits there. What is stored must not be stored again for it.
    }
  }
}
