import { totalmem } from 'node:os';

const mebibyte = 2 ** 20;
const leastMb = 64;
const mostMb = 1024;

/**
 * What Postgres holds of its tables in its own memory, as it fills: a sixteenth of what there is, or of what this process
 * may have. The keys of five million events take half a gibibyte, and a key that is not held costs a read from the system.
 */
export function sharedBuffers(memory = totalmem(), limit: number | undefined = process.constrainedMemory()): string {
  const bytes = limit !== undefined && limit > 0 ? Math.min(memory, limit) : memory;
  return `${Math.round(Math.min(mostMb, Math.max(leastMb, bytes / 16 / mebibyte)))}MB`;
}
