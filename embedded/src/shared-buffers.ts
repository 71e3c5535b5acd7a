import { usableMemory } from './usable-memory.js';

const mebibyte = 2 ** 20;
const leastMb = 64;
const mostMb = 1024;

/**
 * What Postgres holds of its tables in its own memory, as it fills. The keys of five million events take half a gibibyte, and
 * a key that is not held costs a read from the system.
 */
export function sharedBuffers(memory = usableMemory()): string {
  return `${Math.round(Math.min(mostMb, Math.max(leastMb, memory / 16 / mebibyte)))}MB`;
}
