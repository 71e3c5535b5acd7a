import { type FieldError, invalid } from '@eventsieve/contract/errors';
import { type DeadLetterFilter, DeadLetterState } from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import type { Timestamp } from '@eventsieve/contract/gen/google/protobuf/timestamp';
import { lookupFaults } from '../lookup-text.js';
import { stateNamed } from './dead-letter-row.js';

/** A condition on `dead_letters d` and the values of its parameters. */
export interface Condition {
  readonly text: string;
  readonly values: readonly unknown[];
}

export const maxLetters = 1000;

export function letterFilterFaults(filter: DeadLetterFilter | undefined): FieldError[] {
  if (filter === undefined) return [];
  const { topic, eventId, code, state } = filter;
  const faults = lookupFaults({ 'filter.topic': topic, 'filter.event_id': eventId, 'filter.code': code });
  if (state !== DeadLetterState.DEAD_LETTER_STATE_UNSPECIFIED && stateNamed(state) === undefined) {
    faults.push({ field: 'filter.state', message: `has no meaning for ${state}` });
  }
  for (const field of ['from', 'to'] as const) {
    const given = filter[field];
    if (given !== undefined && !isInstant(given)) faults.push({ field: `filter.${field}`, message: 'is no timestamp' });
  }
  return faults;
}

const earliestSeconds = -62_135_596_800n; // 0001-01-01T00:00:00Z
const latestSeconds = 253_402_300_799n; // 9999-12-31T23:59:59Z

function isInstant({ seconds, nanos }: Timestamp): boolean {
  return seconds >= earliestSeconds && seconds <= latestSeconds && nanos >= 0 && nanos < 1_000_000_000;
}

const microsOf = ({ seconds, nanos }: Timestamp) => seconds * 1_000_000n + BigInt(Math.floor(nanos / 1000));

/** `state` overrides the filter's own. */
export function conditionOf(
  filter: DeadLetterFilter | undefined,
  state = filter && stateNamed(filter.state),
): Condition {
  const values: unknown[] = [];
  const parts: string[] = [];
  const compare = (left: string, value: unknown, as = '') => {
    values.push(value);
    parts.push(`${left} $${values.length}${as}`);
  };
  if (state !== undefined) parts.push(`d.state = '${state}'`);
  if (filter?.topic) compare('d.topic =', filter.topic);
  if (filter?.eventId) compare('d.event_id =', filter.eventId);
  if (filter?.code) compare('d.code =', filter.code);
  const inMicros = "::bigint * interval '1 microsecond'";
  if (filter?.from) compare("d.dead_lettered_at >= timestamptz 'epoch' +", microsOf(filter.from), inMicros);
  if (filter?.to) compare("d.dead_lettered_at < timestamptz 'epoch' +", microsOf(filter.to), inMicros);
  return { text: parts.length === 0 ? 'true' : parts.join(' and '), values };
}

export interface Choice {
  readonly positions: readonly bigint[];
  readonly filter: DeadLetterFilter | undefined;
  readonly limit: number;
}

/** Which dead letters a call is about: the ones named, or the open ones that a filter matches. */
export function readChoice({ positions, filter, limit }: Choice): Choice {
  const faults = letterFilterFaults(filter);
  if (positions.length === 0 && filter === undefined) {
    faults.push({ field: 'positions', message: 'must not be empty unless a filter is given' });
  }
  if (positions.length > 0 && filter !== undefined) {
    faults.push({ field: 'filter', message: 'must not be given beside positions' });
  }
  if (positions.length > maxLetters) {
    faults.push({ field: 'positions', message: `must have at most ${maxLetters} entries` });
  }
  positions.forEach((position, index) => {
    if (position < 1n) faults.push({ field: `positions[${index}]`, message: 'must be a position' });
  });
  const { DEAD_LETTER_STATE_UNSPECIFIED: any, DEAD_LETTER_STATE_OPEN: open } = DeadLetterState;
  if (filter !== undefined && filter.state !== any && filter.state !== open) {
    faults.push({ field: 'filter.state', message: 'must be open: others are taken by position only' });
  }
  if (limit < 0 || limit > maxLetters) faults.push({ field: 'limit', message: `must be from 1 to ${maxLetters}` });
  if (faults.length > 0) throw invalid(faults.slice(0, 20));
  return { positions: [...new Set(positions)], filter, limit: limit === 0 ? maxLetters : limit };
}
