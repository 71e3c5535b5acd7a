import { PublishRequest } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { requestTail, writeEvent } from '@eventsieve/contract/request-writing';
import { appendBytes, newWireBuffer, writtenBytes } from '@eventsieve/contract/wire-writing';

const usualEventBytes = 512;
const tailBytes = 16;

/**
 * The same as PublishRequest.encode, for a part of the time: that makes a writer for each event and for each of its
 * timestamps.
 */
export function writeRequest(request: PublishRequest): Buffer {
  const { events, waitFor, allowPartial } = request;
  const wire = newWireBuffer(events.length * usualEventBytes + tailBytes);
  for (const { topic, eventId, source, timestamp, payloadJson } of events) {
    // The events of the bridge have both.
    if (timestamp === undefined || payloadJson === undefined) {
      return Buffer.from(PublishRequest.encode(request).finish());
    }
    writeEvent(wire, {
      topic,
      eventId,
      source,
      seconds: Number(timestamp.seconds),
      nanos: timestamp.nanos,
      payloadJson,
    });
  }
  appendBytes(wire, requestTail(waitFor, allowPartial));
  return writtenBytes(wire);
}
