import type { EventRow } from '../sql/event-row.js';

export interface OpenPage {
  readonly rows: readonly EventRow[];
  isFull(): boolean;
  /** What to ask for next: one event more than there is room for, to know whether there is more. */
  wanted(): { readonly rows: number; readonly maxBytes: number };
  /** False when not all of them had room. */
  take(found: readonly EventRow[]): boolean;
}

// A statement makes the text of all that it finds, whatever of it then fits into the page.
const mostAtFirst = 256;
const leastAtOnce = 16;

export function openPage(limit: number, maxBytes: number): OpenPage {
  const rows: EventRow[] = [];
  let bytes = 0;
  const isFull = () => rows.length >= limit || bytes >= maxBytes;

  function fitting(): number {
    if (rows.length === 0) return mostAtFirst;
    return Math.max(leastAtOnce, Math.ceil((maxBytes - bytes) / (bytes / rows.length)) + 1);
  }

  return {
    rows,
    isFull,
    wanted: () =>
      isFull()
        ? { rows: 1, maxBytes: 1 }
        : { rows: Math.min(limit - rows.length + 1, fitting()), maxBytes: maxBytes - bytes },
    take(found) {
      for (const row of found) {
        if (isFull()) return false;
        rows.push(row);
        bytes += Buffer.byteLength(row.payload);
      }
      return true;
    },
  };
}
