import { Redrive, Tally } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { BrokerNames } from '@eventsieve/contract/names';
import { readTraceparent, traceparentHeader } from '@eventsieve/contract/traceparent';
import type { Msg } from '@nats-io/transport-node';
import { type CopyInPlace, readCopy } from './read-copy.js';
import { readHeaders } from './read-headers.js';
import { readPlace } from './read-place.js';

/** A message as the worker handles it. */
export interface Delivery {
  readonly message: Msg;
  readonly ackSubject: string;
  readonly position: bigint;
  /** The broker's timestamp, so that a redelivery computes the same row. */
  readonly receivedAtUs: bigint;
  /** How often the broker has handed it out, this time included. */
  readonly deliveries: number;
  /** What the copy came with; of a redrive, what the dead letter had come with. */
  readonly subject: string;
  readonly body: Uint8Array;
  /** Set when this message sends a dead letter through again. */
  readonly redrive?: { readonly deadLetter: bigint; readonly sending: bigint } | undefined;
  readonly content:
    | { readonly kind: 'copy'; readonly copy: CopyInPlace }
    | { readonly kind: 'tally'; readonly tally: Tally }
    | { readonly kind: 'undecodable'; readonly reason: string };
}

export function readDelivery(message: Msg, base: bigint, names: BrokerNames): Delivery {
  const { subject, data: body } = message;
  const { reply: ackSubject = '' } = message;
  const { sequence, receivedAtUs, deliveries } = readPlace(ackSubject);
  const position = base + BigInt(sequence);
  // Made at once, by one literal: objects put together by spreading cost this process more than all the rest of it.
  if (subject !== names.redriveSubject) {
    const content = readContent(subject, body, names);
    return { message, ackSubject, position, receivedAtUs, deliveries, subject, body, redrive: undefined, content };
  }
  const place = { message, ackSubject, position, receivedAtUs, deliveries };
  try {
    const { deadLetter, sending, subject, body } = Redrive.decode(message.data);
    return { ...place, subject, body, redrive: { deadLetter, sending }, content: readContent(subject, body, names) };
  } catch (error) {
    return { ...place, subject, body, redrive: undefined, content: undecodable(error) };
  }
}

/** Which trace brought the copy, when its publisher has said so; looked for only where a line is written about it. */
export function traceparentOf({ message }: Delivery): string | undefined {
  return readTraceparent(readHeaders(message).get(traceparentHeader)?.[0]);
}

const undecodable = (error: unknown) =>
  ({ kind: 'undecodable', reason: `no message of this system: ${String(error)}` }) as const;

function readContent(subject: string, body: Uint8Array, names: BrokerNames): Delivery['content'] {
  try {
    if (subject === names.tallySubject) {
      const tally = Tally.decode(body);
      if (tally.groups.every(({ eventIds }) => eventIds.length === 0)) {
        return { kind: 'undecodable', reason: 'a tally without copies' };
      }
      return { kind: 'tally', tally };
    }
    const copy = readCopy(body);
    if (copy.topicAt === copy.topicEnd || copy.eventIdAt === copy.eventIdEnd) {
      return { kind: 'undecodable', reason: 'an event without topic or event_id' };
    }
    return { kind: 'copy', copy };
  } catch (error) {
    return undecodable(error);
  }
}
