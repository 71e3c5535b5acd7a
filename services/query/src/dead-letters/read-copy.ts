import type { DeadCopy } from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8');

/** What a dead letter's bytes say, for a person to read; undefined when they say nothing. */
export function readCopy(body: Uint8Array, isTally: boolean): DeadCopy | undefined {
  if (isTally || body.length === 0) return undefined;
  try {
    const { topic, eventId, source, payload, timestampUs } = Copy.decode(body);
    if (topic.length + eventId.length + source.length + payload.length === 0) return undefined;
    return { source: text(source), timestamp: readTime(timestampUs), payloadText: text(payload) };
  } catch {
    return undefined;
  }
}

function readTime(us: bigint): string {
  const time = new Date(Number(us / 1000n));
  return Number.isNaN(time.getTime()) ? `${us} microseconds since 1970` : time.toISOString();
}
