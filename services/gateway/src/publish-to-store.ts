import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { encodeStoredCopy } from './encode-copy.js';
import type { Gateway } from './gateway.js';
import { failureOf } from './refusals.js';
import { sendInOrder } from './send-in-order.js';
import type { ValidEvent } from './validate/validate-event.js';
import type { Verdict } from './verdict.js';

// Time for the answer to travel before the caller's deadline.
const deadlineMarginMs = 50;

/** STORED: committed in Postgres, with the final verdict; ACCEPTED where that does not come in time. */
export async function publishToStore(
  gateway: Gateway,
  events: readonly ValidEvent[],
  deadlineMs: number,
): Promise<Verdict[]> {
  const { desk, names } = gateway;
  const untilMs = Math.min(Date.now() + gateway.storedTimeoutMs, deadlineMs - deadlineMarginMs);
  const waiting = desk.open(events.length);
  try {
    const acks = await sendInOrder(
      gateway,
      events.map((event, index) =>
        encodeStoredCopy(event, names.eventSubjectPrefix, desk.replyTo, waiting.firstTicket + BigInt(index)),
      ),
    );
    // A verdict says more than the ack that it overtook.
    const failure = failureOf(acks.filter((_, index) => waiting.verdicts[index] === undefined));
    if (failure) throw failure;
    await waiting.wait(untilMs);
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
