import type { Difference } from '@eventsieve/contract/gen/eventsieve/v1/query';

/** At most so many positions, topics or ids are named. */
export const maxNamed = 100;

export function difference(
  what: string,
  { expected, found, positions = [] }: { expected: bigint; found: bigint; positions?: readonly bigint[] },
  message: string,
): Difference {
  return { what, expected, found, positions: positions.slice(0, maxNamed), message };
}
