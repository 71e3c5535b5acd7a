import type { remedies } from '@eventsieve/contract/metric-names';

/** What an error of a storing call asks for. */
export type Remedy = (typeof remedies)[number];

/** Raised by our own functions: the epoch is over; the broker has gone back. */
export const epochOver = 'ES001';
export const brokerWentBack = 'ES002';

const retryAtOnce = new Set([
  '40001', // serialization failure; also a key that vanished while its repeat was judged
  '40P01', // deadlock
  '55P03', // lock timeout
]);

export function sqlStateOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

const statementTimeout = '57014';
// What pg says, without a code, when Postgres did not answer by its own bound.
const noAnswer = 'Query read timeout';

export function remedyFor(error: unknown): Remedy {
  const code = sqlStateOf(error);
  if (code === epochOver || code === brokerWentBack) return 'realign';
  if (retryAtOnce.has(code)) return 'retry';
  if (code === statementTimeout || (error as Error | null)?.message === noAnswer) return 'halve';
  // "no partition of relation found for row": a day without its partition yet, not a bad row.
  if (code === '23514') return 'create-partition';
  // What Postgres can never hold: data exceptions, and rows, index keys or nesting over its own limits. Anything else is
  // an outage, and an outage dead-letters nothing.
  if (code.startsWith('22') || code.startsWith('54')) return 'split';
  return 'wait';
}
