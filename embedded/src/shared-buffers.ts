import { usableMemory } from './usable-memory.js';

const mebibyte = 2 ** 20;
const leastMb = 64;
const mostMb = 512;

/**
 * What Postgres holds of its tables in its own memory, as it fills. More than half a gigabyte would be a few percent for who
 * stores many millions of events, and memory taken from whoever tries this beside other work.
 */
export function sharedBuffers(memory = usableMemory()): string {
  return `${Math.round(Math.min(mostMb, Math.max(leastMb, memory / 16 / mebibyte)))}MB`;
}
