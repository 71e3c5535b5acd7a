import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { Caller } from './caller.js';
import { encodeBrokerCopy, headersFor } from './encode-copy.js';
import type { Gateway } from './gateway.js';
import { failureOf } from './refusals.js';
import { sendInOrder } from './send-in-order.js';
import type { ValidEvent } from './validate/validate-event.js';
import type { Verdict } from './verdict.js';
import { writeTally } from './write-tally.js';

/** BROKER: durable in JetStream. Exact repeats within the window are dropped there, and counted by a tally. */
export async function publishToBroker(
  gateway: Gateway,
  events: readonly ValidEvent[],
  caller: Caller,
): Promise<Verdict[]> {
  const headers = headersFor(caller.traceparent);
  const acks = await sendInOrder(
    gateway,
    events.map((event) => encodeBrokerCopy(event, gateway.names.eventSubjectPrefix, headers)),
    caller,
  );
  const failure = failureOf(acks);
  if (failure) throw failure;

  const dropped = events.filter((_, index) => acks[index]?.kind === 'duplicate');
  if (dropped.length > 0) {
    await writeTally(gateway, dropped, caller);
    for (const { topic, eventId, source } of dropped) {
      gateway.duplicates.add(() => ({
        topic: Buffer.from(topic).toString(),
        eventId: Buffer.from(eventId).toString(),
        source: Buffer.from(source).toString(),
        conflict: false,
        by: 'broker',
        traceparent: caller.traceparent,
      }));
    }
  }
  return acks.map((ack) => ({
    outcome: ack.kind === 'duplicate' ? Outcome.OUTCOME_DUPLICATE : Outcome.OUTCOME_ACCEPTED,
  }));
}
