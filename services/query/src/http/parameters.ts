import { type FieldError, invalid } from '@eventsieve/contract/errors';
import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';
import type { FastifyRequest } from 'fastify';
import { parseInstant } from '../instant.js';

/** Null is what cannot be decoded. */
type Given = string | null | readonly (string | null)[];

/** Fastify's own parser takes what cannot be decoded as it stands: a search would be for the wrong text. */
export function parseQuery(text: string): Record<string, Given> {
  const given: Record<string, Given> = Object.create(null);
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const written = equals < 0 ? pair : pair.slice(0, equals);
    const name = decoded(written);
    const value = name === null ? null : equals < 0 ? '' : decoded(pair.slice(equals + 1));
    const key = name ?? written;
    const before = given[key];
    given[key] = before === undefined ? value : [before, value].flat();
  }
  return given;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

/**
 * The query's parameters, each at most once, and none but the known ones: a misspelt filter that is ignored would answer
 * another question than the one asked.
 */
export function readParameters<const Name extends string>(
  request: FastifyRequest,
  known: readonly Name[],
): Partial<Record<Name, string>> {
  const faults: FieldError[] = [];
  const given = request.query as Record<string, Given>;
  for (const [field, value] of Object.entries(given)) {
    if (value === null) faults.push({ field: field.slice(0, 100), message: 'is not UTF-8 in percent-encoding' });
    else if (!(known as readonly string[]).includes(field)) {
      const others = known.length === 0 ? 'there are none here' : `known are ${known.join(', ')}`;
      faults.push({ field: field.slice(0, 100), message: `is not a parameter: ${others}` });
    } else if (typeof value !== 'string') faults.push({ field, message: 'is given more than once' });
    else if (value === '') faults.push({ field, message: 'must not be empty' });
  }
  if (faults.length > 0) throw invalid(faults.slice(0, 20));
  return given as Partial<Record<Name, string>>;
}

export function readChoice<const T extends string>(
  field: string,
  value: string | undefined,
  choices: readonly T[],
  fallback: T,
): T {
  if (value === undefined) return fallback;
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw invalid([{ field, message: `must be one of ${choices.join(', ')}` }]);
  return found;
}

export function readWhole(
  field: string,
  value: string | undefined,
  fallback: number,
  min: number,
  max: number,
): number {
  if (value === undefined) return fallback;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw invalid([{ field, message: `must be a whole number from ${min} to ${max}` }]);
}

export const instantForm = 'must be an ISO 8601 date and time from year 1 to 9999, such as 2024-05-01T12:00:00Z';

export function readInstant(field: string, value: string | undefined): Timestamp | undefined {
  if (value === undefined) return undefined;
  const instant = parseInstant(value);
  if (instant === undefined) throw invalid([{ field, message: instantForm }]);
  return instant;
}
