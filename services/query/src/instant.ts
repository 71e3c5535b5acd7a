import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';

const earliestSeconds = -62_135_596_800n; // 0001-01-01T00:00:00Z
const latestSeconds = 253_402_300_799n; // 9999-12-31T23:59:59Z

const iso8601 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?$/;

/** An ISO 8601 date and time; one without an offset is UTC. Digits below the nanosecond are cut off. */
export function parseInstant(text: string): Timestamp | undefined {
  const match = iso8601.exec(text);
  if (match === null) return undefined;
  const part = (index: number) => Number(match[index] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  // 60 is a leap second, which clocks that do not know it show as the next one.
  if (hour > 23 || minute > 59 || second > 60 || part(9) > 23 || part(10) > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const offset = (part(9) * 60 + part(10)) * (match[8] === '-' ? -60 : 60);
  const seconds = BigInt(date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset);
  if (seconds < earliestSeconds || seconds > latestSeconds) return undefined;
  return { seconds, nanos: Number((match[7] ?? '').slice(0, 9).padEnd(9, '0')) };
}

/** Microseconds since 1970, as Postgres counts them. */
export function instantOfMicros(micros: bigint): Timestamp {
  const within = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  return { seconds: (micros - within) / 1_000_000n, nanos: Number(within) * 1000 };
}

/** In UTC, with as many decimals as it takes, in threes. */
export function formatInstant({ seconds, nanos }: Timestamp): string {
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  if (nanos === 0) return `${whole}Z`;
  return `${whole}.${String(nanos)
    .padStart(9, '0')
    .replace(/(?:000)+$/, '')}Z`;
}
