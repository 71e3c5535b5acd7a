import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { TailEventsResponse } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { encodeCursor } from '../cursor.js';
import { eventJson } from '../http/event-json.js';
import { type EventRow, storedEventOf } from '../sql/event-row.js';

/** How an event looks on its way to a follower. An event is encoded once in each way, however many follow. */
export interface Encoding {
  readonly name: string;
  event(row: EventRow): Buffer;
  /** A sign of life: nothing but where to go on. */
  place(position: bigint): Buffer;
}

/** Messages of text/event-stream. JSON text has no line break in it. */
export const eventStream: Encoding = {
  name: 'sse',
  event(row) {
    const cursor = encodeCursor(BigInt(row.position));
    const json = eventJson(storedEventOf(row, PayloadFormat.PAYLOAD_FORMAT_JSON));
    return Buffer.from(`id: ${cursor}\ndata: ${json}\n\n`);
  },
  place: (position) => Buffer.from(`:\nid: ${encodeCursor(position)}\n\n`),
};

export const structMessages = messagesOf('struct', PayloadFormat.PAYLOAD_FORMAT_STRUCT);
export const jsonMessages = messagesOf('json', PayloadFormat.PAYLOAD_FORMAT_JSON);

function messagesOf(name: string, format: PayloadFormat): Encoding {
  const encode = (response: TailEventsResponse) => {
    const { buffer, byteOffset, byteLength } = TailEventsResponse.encode(response).finish();
    return Buffer.from(buffer, byteOffset, byteLength);
  };
  return {
    name,
    event: (row) => encode({ event: storedEventOf(row, format), cursor: encodeCursor(BigInt(row.position)) }),
    place: (position) => encode({ event: undefined, cursor: encodeCursor(position) }),
  };
}
