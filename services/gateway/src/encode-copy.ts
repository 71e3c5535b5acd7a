import * as crypto from 'node:crypto';
import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { encodeTopic, msgIdHeader } from '@eventsieve/contract/names';
import type { OutgoingMessage } from './publisher.js';
import type { ValidEvent } from './validate/validate-event.js';

const none = new Uint8Array(0);
const nobodyWaits = { replyTo: '', ticket: 0n };
const messageIdBytes = 16;

/** The part of a copy that makes it the same as another: everything but the timestamp, which publishers stamp anew. */
function encodeContent({ topic, eventId, source, payload }: ValidEvent): Uint8Array {
  return Copy.encode({ topic, eventId, source, payload, timestampUs: 0n, ...nobodyWaits }).finish();
}

function encodeRest(timestampUs: bigint, waiter: { replyTo: string; ticket: bigint }): Uint8Array {
  return Copy.encode({ topic: none, eventId: none, source: none, payload: none, timestampUs, ...waiter }).finish();
}

/** A BROKER copy. Its message id lets the broker's window drop exact repeats, and only those. */
export function encodeBrokerCopy(event: ValidEvent, eventSubjectPrefix: string): OutgoingMessage {
  const content = encodeContent(event);
  // Lengths are part of the encoding, so no two contents give the same bytes.
  const id = crypto.createHash('sha256').update(content).digest().toString('base64url', 0, messageIdBytes);
  return {
    subject: eventSubjectPrefix + encodeTopic(event.topic),
    body: Buffer.concat([content, encodeRest(event.timestampUs, nobodyWaits)]),
    header: Buffer.from(`NATS/1.0\r\n${msgIdHeader}: ${id}\r\n\r\n`, 'latin1'),
  };
}

/** A STORED copy. It has no message id, since Postgres judges it, but says where its verdict is waited for. */
export function encodeStoredCopy(
  event: ValidEvent,
  eventSubjectPrefix: string,
  replyTo: string,
  ticket: bigint,
): OutgoingMessage {
  return {
    subject: eventSubjectPrefix + encodeTopic(event.topic),
    body: Buffer.concat([encodeContent(event), encodeRest(event.timestampUs, { replyTo, ticket })]),
    header: undefined,
  };
}
