import { type ReadyEvent, writeEvent } from '@eventsieve/contract/request-writing';
import { appendBytes, newWireBuffer, type WireBuffer, writtenBytes } from '@eventsieve/contract/wire-writing';
import type { EventsieveError } from '../error.js';
import type { EventName, PublishResult } from '../publish.js';
import type { Era } from './eras.js';

/** Who waits for the verdict on an event. */
export interface Sender {
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: EventsieveError) => void;
}

export interface Entry extends EventName, Sender {
  /** Where its bytes end in those of its batch. */
  readonly end: number;
}

/** Events that travel in one call, each encoded once. */
export interface Batch {
  readonly wire: WireBuffer;
  readonly entries: Entry[];
  readonly era: Era;
  readonly openedAtMs: number;
  /** Of its oldest event: by then all have their verdict or an error. */
  readonly untilMs: number;
  /** Of its first event: a call has one. */
  readonly traceparent: string | undefined;
}

/** About what an event takes beside its bytes: a promise, and who waits for it. */
const bytesOfEntry = 512;

export function openBatch(opened: Omit<Batch, 'wire' | 'entries'>, bytes: number): Batch {
  return { wire: newWireBuffer(bytes), entries: [], ...opened };
}

export function addToBatch({ wire, entries }: Batch, event: ReadyEvent, { resolve, reject }: Sender): void {
  const before = wire.at;
  try {
    writeEvent(wire, event);
  } catch (error) {
    // No memory for it: its batch-mates go without it.
    wire.at = before;
    throw error;
  }
  const { topic, eventId } = event;
  entries.push({ topic, eventId, resolve, reject, end: wire.at });
}

export const heldBytes = (events: number, encodedBytes: number) => encodedBytes + events * bytesOfEntry;

/** About what it will be encoded: exact for ASCII. */
export function guessBytes({ topic, eventId, source, payloadJson }: ReadyEvent): number {
  return topic.length + eventId.length + source.length + payloadJson.length + 32;
}

/** Nothing is added to it any more. */
export function sealBatch({ wire }: Batch, tail: Buffer): void {
  appendBytes(wire, tail);
}

/** The request of a sealed batch, or of some of its events. */
export function requestOf({ wire, entries }: Batch, tail: Buffer, from: number, to: number): Buffer {
  if (from === 0 && to === entries.length) return writtenBytes(wire);
  return Buffer.concat([wire.bytes.subarray(entries[from - 1]?.end ?? 0, entries[to - 1]?.end), tail]);
}
