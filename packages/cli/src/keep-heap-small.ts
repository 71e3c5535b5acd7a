import { setFlagsFromString } from 'node:v8';

/**
 * For commands that see millions of events go by. Each lives just long enough to be moved among what is old, and left to
 * itself V8 lets that grow to several times of what is in use before it looks at it. It reads this flag each time when it
 * works out how far, so that it may be set in a process that runs.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=30');
}
