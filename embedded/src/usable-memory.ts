import { totalmem } from 'node:os';

/** What there is, or what this process may have of it; systems say 0 or more than there is when there is no limit. */
export function usableMemory(memory = totalmem(), limit: number | undefined = process.constrainedMemory()): number {
  return limit !== undefined && limit > 0 ? Math.min(memory, limit) : memory;
}
