import { setFlagsFromString } from 'node:v8';

/**
 * For a process in which little lives on, and much passes by. V8 lets what is old, buffers that nobody needs any more
 * included, grow by half before it goes through it again: under load up to eight times a second, with helpers that take
 * their turns from everything else on the machine. A few times of little is still little. It reads this flag each time when
 * it works out how far, so that it may be set in a process that runs.
 */
export function collectLess({ growsTo: times }: { readonly growsTo: number }): void {
  setFlagsFromString(`--heap-growing-percent=${(times - 1) * 100}`);
}
