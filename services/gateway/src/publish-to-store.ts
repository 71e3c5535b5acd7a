import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { type Caller, whileCallerWaits } from './caller.js';
import { encodeStoredCopy, headersFor } from './encode-copy.js';
import type { Gateway } from './gateway.js';
import { failureOf } from './refusals.js';
import { sendInOrder } from './send-in-order.js';
import type { ValidEvent } from './validate/validate-event.js';
import type { Verdict } from './verdict.js';

/** STORED: committed in Postgres, with the final verdict; ACCEPTED where that does not come in time. */
export async function publishToStore(
  gateway: Gateway,
  events: readonly ValidEvent[],
  caller: Caller,
): Promise<Verdict[]> {
  const { desk, names } = gateway;
  const untilMs = Math.min(Date.now() + gateway.storedTimeoutMs, caller.untilMs);
  const headers = headersFor(caller.traceparent);
  const waiting = desk.open(events.length);
  try {
    const acks = await sendInOrder(
      gateway,
      events.map((event, index) =>
        encodeStoredCopy(event, names.eventSubjectPrefix, desk.replyTo, waiting.firstTicket + BigInt(index), headers),
      ),
      caller,
    );
    // A verdict says more than the ack that it overtook.
    const failure = failureOf(acks.filter((_, index) => waiting.verdicts[index] === undefined));
    if (failure) throw failure;
    // Its end comes in time by itself, and then it is no error.
    await whileCallerWaits(waiting.wait(untilMs), { ...caller, untilMs: Number.POSITIVE_INFINITY });
    return waiting.verdicts.map((verdict) =>
      verdict === undefined
        ? { outcome: Outcome.OUTCOME_ACCEPTED }
        : {
            outcome: verdict.outcome as Outcome,
            position: verdict.position,
            firstSeenAtUs: verdict.firstSeenAtUs,
            reason: verdict.reason,
          },
    );
  } finally {
    waiting.leave();
  }
}
