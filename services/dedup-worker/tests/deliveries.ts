import { Copy, Tally } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { namesFor } from '@eventsieve/contract/names';
import type { Msg } from '@nats-io/transport-node';
import type { Delivery } from '../src/delivery.js';
import { readCopy } from '../src/read-copy.js';

export const names = namesFor();

/** One moment for a whole test, so that its rows share a minute and a day. */
export const someTimeUs = BigInt(Date.now()) * 1000n;

export interface CopyOptions {
  readonly position: number;
  readonly topic?: string;
  readonly eventId?: string;
  readonly source?: string;
  readonly payload?: string;
  readonly timestampUs?: bigint;
  readonly receivedAtUs?: bigint;
}

/** A copy as it comes from the broker; only what storing looks at. */
export function copyAt({
  position,
  topic = 'orders',
  eventId = 'e1',
  source = 'shop',
  payload = '{"n":1}',
  timestampUs = 1_700_000_000_000_000n,
  receivedAtUs = someTimeUs + BigInt(position),
}: CopyOptions): Delivery {
  const encoded = Copy.encode({
    topic: Buffer.from(topic),
    eventId: Buffer.from(eventId),
    source: Buffer.from(source),
    payload: Buffer.from(payload),
    timestampUs,
    replyTo: '',
    ticket: 0n,
  }).finish();
  const message = messageOf(`${names.eventSubjectPrefix}${topic}`, position, encoded);
  const { subject, data: body } = message;
  return {
    message,
    ackSubject: `acks.${position}`,
    subject,
    body,
    position: BigInt(position),
    receivedAtUs,
    deliveries: 1,
    content: { kind: 'copy', copy: readCopy(encoded) },
  };
}

export function tallyAt(
  position: number,
  groups: Tally['groups'],
  receivedAtUs = someTimeUs + BigInt(position),
): Delivery {
  const tally: Tally = { groups };
  const message = messageOf(names.tallySubject, position, Tally.encode(tally).finish());
  const { subject, data: body } = message;
  return {
    message,
    ackSubject: `acks.${position}`,
    subject,
    body,
    position: BigInt(position),
    receivedAtUs,
    deliveries: 1,
    content: { kind: 'tally', tally },
  };
}

function messageOf(subject: string, seq: number, data: Uint8Array): Msg {
  return { subject, seq, data, _msg: { hdr: -1 } } as unknown as Msg;
}
