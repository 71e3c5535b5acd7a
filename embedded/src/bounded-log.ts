import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export interface BoundedLog {
  write(text: string): void;
}

/** Two files at most: the current one, and the one before it with `.1` at the end. */
export function openBoundedLog(path: string, maxBytes = 4 << 20): BoundedLog {
  mkdirSync(dirname(path), { recursive: true });
  let bytes = sizeOf(path);
  return {
    write(text) {
      try {
        if (bytes > maxBytes) {
          renameSync(path, `${path}.1`);
          bytes = 0;
        }
        appendFileSync(path, text);
        bytes += Buffer.byteLength(text);
      } catch {
        // A full disk must not take the supervisor down with it.
      }
    },
  };
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
