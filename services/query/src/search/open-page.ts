import type { EventRow } from '../sql/event-row.js';

export interface OpenPage {
  readonly rows: readonly EventRow[];
  isFull(): boolean;
  /** What to ask for next: one event more than there is room for, to know whether there is more. */
  wanted(): { readonly rows: number; readonly maxBytes: number };
  /** False when not all of them had room. */
  take(found: readonly EventRow[]): boolean;
}

// What an answer holds of an event besides its texts: positions, times, lengths.
const aroundEvent = 64;

/** The first event has room however large it is. */
export function openPage(limit: number, maxBytes: number): OpenPage {
  const rows: EventRow[] = [];
  let bytes = 0;
  const isFull = () => rows.length >= limit || bytes >= maxBytes;

  return {
    rows,
    isFull,
    wanted: () =>
      isFull() ? { rows: 1, maxBytes: 1 } : { rows: limit - rows.length + 1, maxBytes: Math.ceil(maxBytes - bytes) },
    take(found) {
      for (const row of found) {
        const withRow = bytes + bytesOf(row);
        if (isFull() || (rows.length > 0 && withRow > maxBytes)) return false;
        rows.push(row);
        bytes = withRow;
      }
      return true;
    },
  };
}

function bytesOf({ topic, event_id, source, payload }: EventRow): number {
  const texts = [topic, event_id, source, payload];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), aroundEvent);
}
