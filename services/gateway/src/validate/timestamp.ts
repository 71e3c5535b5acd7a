import type { DoorTimestamp } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';

// The years 1 to 9999, as google.protobuf.Timestamp defines; timestamptz holds more.
const firstSecond = -62_135_596_800n;
const lastSecond = 253_402_300_799n;

export function timestampFault(timestamp: DoorTimestamp | undefined): string | undefined {
  if (timestamp === undefined) return 'is required';
  const { seconds, nanos } = timestamp;
  if (seconds < firstSecond || seconds > lastSecond) return 'must be between the years 0001 and 9999';
  if (nanos < 0 || nanos > 999_999_999) return 'has nanos outside 0 to 999999999';
  return undefined;
}

/** Cut, not rounded, to what timestamptz holds. */
export function toMicroseconds({ seconds, nanos }: DoorTimestamp): bigint {
  return seconds * 1_000_000n + BigInt(Math.floor(nanos / 1000));
}
