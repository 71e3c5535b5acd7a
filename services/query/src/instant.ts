import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';

const earliestSeconds = -62_135_596_800n; // 0001-01-01T00:00:00Z
const latestSeconds = 253_402_300_799n; // 9999-12-31T23:59:59Z

const iso8601 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?$/;

/** An ISO 8601 date and time; one without an offset is UTC. Digits below the nanosecond are cut off. */
export function parseInstant(text: string): Timestamp | undefined {
  return parseUsual(text) ?? parseAny(text);
}

const withoutMillis = '0000-00-00T00:00:00Z'.length;
const withMillis = '0000-00-00T00:00:00.000Z'.length;
const daysOfEachMonth = 28;

/** As `toISOString` writes it, with milliseconds or without; of days that not each month has, and years like 0099, nothing. */
function parseUsual(text: string): Timestamp | undefined {
  const millis = text.length === withMillis;
  if (!millis && text.length !== withoutMillis) return undefined;
  if (text[4] !== '-' || text[7] !== '-' || text[10] !== 'T' || text[13] !== ':' || text[16] !== ':') return undefined;
  if (text[text.length - 1] !== 'Z' || (millis && text[19] !== '.')) return undefined;
  const year = digitsOf(text, 0, 4);
  const month = digitsOf(text, 5, 7);
  const day = digitsOf(text, 8, 10);
  const hour = digitsOf(text, 11, 13);
  const minute = digitsOf(text, 14, 16);
  const second = digitsOf(text, 17, 19);
  const milli = millis ? digitsOf(text, 20, 23) : 0;
  // NaN is in no range.
  if (!(year >= 1000 && month >= 1 && month <= 12 && day >= 1 && day <= daysOfEachMonth)) return undefined;
  if (!(hour <= 23 && minute <= 59 && second <= 59 && milli >= 0)) return undefined;
  return {
    seconds: BigInt(Date.UTC(year, month - 1, day, hour, minute, second) / 1000),
    nanos: milli * 1_000_000,
  };
}

function digitsOf(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

function parseAny(text: string): Timestamp | undefined {
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
