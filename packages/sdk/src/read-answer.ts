import {
  type Outcome,
  type PublishError,
  PublishResponse,
  PublishResult,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';
import { readNumber, type WireReading } from '@eventsieve/contract/wire-reading';

/** A result without the names, which are known to who has sent the event. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly position: bigint;
  readonly firstSeenAt: Timestamp | undefined;
  readonly error: PublishError | undefined;
}

export interface Answer extends Omit<PublishResponse, 'results'> {
  readonly results: readonly Verdict[];
}

// Tags of a response and of a result: field number and wire type.
const receivedTag = 0x08;
const acceptedTag = 0x10;
const insertedTag = 0x18;
const duplicatesTag = 0x20;
const conflictsTag = 0x28;
const rejectedTag = 0x30;
const resultTag = 0x3a;
const topicTag = 0x0a;
const eventIdTag = 0x12;
const outcomeTag = 0x18;
const positionTag = 0x20;

/**
 * The same as PublishResponse.decode, but for the names: reading those again would be most of the work. What is anything
 * else than names, an outcome and a position is left to the generated code.
 */
export function readAnswer(bytes: Buffer): Answer {
  const reading: WireReading = { bytes, at: 0, sound: true };
  const answer = readFields(reading);
  return reading.sound ? answer : PublishResponse.decode(bytes);
}

function readFields(reading: WireReading): Answer {
  const results: Verdict[] = [];
  const sums = { received: 0, accepted: 0, inserted: 0, duplicates: 0, conflicts: 0, rejected: 0 };
  const { bytes } = reading;
  while (reading.sound && reading.at < bytes.length) {
    switch (bytes[reading.at++]) {
      case resultTag:
        results.push(readResult(reading));
        break;
      case receivedTag:
        sums.received = readNumber(reading);
        break;
      case acceptedTag:
        sums.accepted = readNumber(reading);
        break;
      case insertedTag:
        sums.inserted = readNumber(reading);
        break;
      case duplicatesTag:
        sums.duplicates = readNumber(reading);
        break;
      case conflictsTag:
        sums.conflicts = readNumber(reading);
        break;
      case rejectedTag:
        sums.rejected = readNumber(reading);
        break;
      default:
        reading.sound = false;
    }
  }
  return { ...sums, results };
}

function readResult(reading: WireReading): Verdict {
  const { bytes } = reading;
  const length = readNumber(reading);
  const start = reading.at;
  const end = start + length;
  if (end > bytes.length) reading.sound = false;
  let outcome: Outcome = 0;
  let position = 0;
  while (reading.sound && reading.at < end) {
    switch (bytes[reading.at++]) {
      case topicTag:
      case eventIdTag: {
        const names = readNumber(reading);
        reading.at += names;
        break;
      }
      case outcomeTag:
        outcome = readNumber(reading);
        break;
      case positionTag:
        position = readNumber(reading);
        break;
      default:
        reading.at = end;
        return PublishResult.decode(bytes.subarray(start, end));
    }
  }
  if (reading.at !== end) reading.sound = false;
  return { outcome, position: position === 0 ? 0n : BigInt(position), firstSeenAt: undefined, error: undefined };
}
