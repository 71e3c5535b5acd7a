import { UsageError } from '../command.js';
import type { Flag } from '../flag.js';
import { type FlagReader, whole } from '../flags.js';

export const amountFlags: readonly Flag[] = [
  { name: 'limit', value: 'n', fallback: '100', meaning: 'at most so many' },
  { name: 'all', kind: 'boolean', meaning: 'all of them' },
];

/** How many are wanted, at most. */
export function readAmount(given: FlagReader): number {
  const limit = given.given('limit');
  if (!given.isOn('all')) return whole(limit, 100, 1, 1_000_000_000);
  if (limit !== undefined) throw new UsageError('--all and --limit exclude each other.');
  return Number.POSITIVE_INFINITY;
}
