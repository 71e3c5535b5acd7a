import type { DeadLetterChoice, DeadLetterFilter } from '@eventsieve/client';
import { UsageError } from '../command.js';
import type { Flag, Positional } from '../flag.js';
import { type FlagReader, whole } from '../flags.js';
import { readTime } from '../reading/filter-flags.js';

export const letterFilterFlags: readonly Flag[] = [
  { name: 'topic', value: 'topic', meaning: 'only of this topic, exactly' },
  { name: 'event-id', value: 'id', meaning: 'only of this event id' },
  { name: 'code', value: 'code', meaning: 'only with this code: an SQLSTATE of Postgres, or UNDECODABLE' },
  { name: 'from', value: 'time', meaning: 'dead-lettered at or after' },
  { name: 'to', value: 'time', meaning: 'dead-lettered before' },
];

export const choicePositionals: readonly Positional[] = [
  { name: 'id', optional: true, many: true, meaning: 'which ones' },
];

export const choiceFlags: readonly Flag[] = [
  ...letterFilterFlags,
  { name: 'all', kind: 'boolean', meaning: 'all that are open' },
  { name: 'limit', value: 'n', meaning: 'at most so many, the oldest first' },
  { name: 'dry-run', kind: 'boolean', meaning: 'only says what would be done' },
];

export function readLetterFilter(given: FlagReader): DeadLetterFilter {
  return {
    topic: given.text('topic'),
    eventId: given.text('event-id'),
    code: given.text('code'),
    from: readTime(given, 'from'),
    to: readTime(given, 'to'),
  };
}

export interface LetterChoice {
  readonly choice: DeadLetterChoice;
  readonly limit: number;
  readonly dryRun: boolean;
}

const mostIds = 1_000;

/** Ids, or a filter, or all: never all because nothing was said. */
export function readChoice(given: FlagReader): LetterChoice {
  const ids = given.positionals('id').map(readId);
  const filter = readLetterFilter(given);
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  const isAll = given.isOn('all');
  const limit = given.given('limit');
  if (Number(ids.length > 0) + Number(isFiltered) + Number(isAll) !== 1) {
    throw new UsageError('Say which ones: by ids, by a filter such as --topic, or --all for all that are open.');
  }
  if (ids.length > mostIds) throw new UsageError(`${ids.length} ids are more than the ${mostIds} of one call.`);
  if (ids.length > 0 && limit !== undefined) throw new UsageError('--limit goes with a filter or --all.');
  return {
    choice: ids.length > 0 ? ids : filter,
    limit: whole(limit, Number.POSITIVE_INFINITY, 1, 1_000_000_000),
    dryRun: given.isOn('dry-run'),
  };
}

export function readId(text: string): bigint {
  if (/^[1-9]\d{0,18}$/.test(text)) return BigInt(text);
  throw new UsageError(`"${text}" is no dead letter's id: ids are whole numbers, as the list has them.`);
}
