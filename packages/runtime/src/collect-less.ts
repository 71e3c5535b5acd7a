import { setFlagsFromString } from 'node:v8';

/**
 * For a process in which little lives on, and much passes by. V8 lets what is old, buffers that nobody needs any more
 * included, grow to four times of what lives before it goes through all of it, but much less in a process that has rested:
 * under load up to eight times a second then, with helpers that take their turns from everything else on the machine. Four
 * times of little is still little. It reads this flag each time when it works out how far, so that it may be set in a
 * process that runs.
 */
export function collectLess(): void {
  setFlagsFromString('--heap-growing-percent=300');
}
