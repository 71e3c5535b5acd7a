import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';

const iso8601 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?([Zz]|[+-]\d\d(?::?\d\d)?)?$/;

/** An ISO 8601 date and time; one without an offset is UTC. Digits below the nanosecond are cut off. */
export function parseInstant(text: string): Timestamp | undefined {
  const match = iso8601.exec(text);
  if (match === null) return undefined;
  const [, date = '', time = '', fraction = '', zone = 'Z'] = match;
  const day = new Date(`${date}T00:00:00Z`);
  // Date takes the 31st of any month, and makes the next one's first of it.
  if (Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date)) return undefined;
  const ms = Date.parse(`${date}T${time}${offsetOf(zone)}`);
  if (Number.isNaN(ms)) return undefined;
  return { seconds: BigInt(ms / 1000), nanos: Number(fraction.slice(0, 9).padEnd(9, '0')) };
}

/** `+hh:mm`, the only form that every Date.parse reads. */
function offsetOf(zone: string): string {
  if (zone.toUpperCase() === 'Z') return 'Z';
  return `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '').padEnd(2, '0')}`;
}

export function instantOfDate(date: Date): Timestamp | undefined {
  const ms = date.getTime();
  if (Number.isNaN(ms)) return undefined;
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1_000_000 };
}

/** In UTC, with as many decimals as it takes, in threes. */
export function formatInstant({ seconds, nanos }: Timestamp): string {
  const whole = formatSecond(Number(seconds));
  if (nanos === 0) return `${whole}Z`;
  const digits = String(nanos).padStart(9, '0');
  const end = digits.endsWith('000000') ? 3 : digits.endsWith('000') ? 6 : 9;
  return `${whole}.${digits.slice(0, end)}Z`;
}

// Events of a page are often of the same seconds, and a Date's text takes longer than the rest of an event.
const mostKept = 8;
const kept = new Map<number, string>();

function formatSecond(second: number): string {
  const known = kept.get(second);
  if (known !== undefined) return known;
  const text = new Date(second * 1000).toISOString().slice(0, -5);
  if (kept.size >= mostKept) kept.clear();
  kept.set(second, text);
  return text;
}
