import { Copy, Tally } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { BrokerNames } from '@eventsieve/contract/names';
import type { JsMsg } from '@nats-io/jetstream';

/** A message as the worker handles it. */
export interface Delivery {
  readonly message: JsMsg;
  readonly position: bigint;
  /** The broker's timestamp, so that a redelivery computes the same row. */
  readonly receivedAtUs: bigint;
  readonly content:
    | { readonly kind: 'copy'; readonly copy: Copy }
    | { readonly kind: 'tally'; readonly tally: Tally }
    | { readonly kind: 'undecodable'; readonly reason: string };
}

export function readDelivery(message: JsMsg, base: bigint, names: BrokerNames): Delivery {
  return {
    message,
    position: base + BigInt(message.seq),
    receivedAtUs: message.timestampNanos / 1000n,
    content: readContent(message, names),
  };
}

function readContent(message: JsMsg, names: BrokerNames): Delivery['content'] {
  try {
    if (message.subject === names.tallySubject) {
      const tally = Tally.decode(message.data);
      if (tally.groups.length === 0) return { kind: 'undecodable', reason: 'a tally without groups' };
      return { kind: 'tally', tally };
    }
    const copy = Copy.decode(message.data);
    if (copy.topic.length === 0 || copy.eventId.length === 0) {
      return { kind: 'undecodable', reason: 'an event without topic or event_id' };
    }
    return { kind: 'copy', copy };
  } catch (error) {
    return { kind: 'undecodable', reason: `no message of this system: ${String(error)}` };
  }
}
