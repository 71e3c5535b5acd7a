import { usableMemory } from './usable-memory.js';

const mebibyte = 2 ** 20;
const leastMb = 64;
const mostMb = 1024;

/**
 * What Postgres holds of its tables in its own memory, as it fills: a gigabyte once there are some five million events. Each
 * event is looked for at a place of its own among all keys; what is not held has to be fetched for it, and written back.
 */
export function sharedBuffers(memory = usableMemory()): string {
  return `${Math.round(Math.min(mostMb, Math.max(leastMb, memory / 16 / mebibyte)))}MB`;
}
