import type { Place } from './piece.js';

interface Entry {
  readonly end: Place;
  settled: boolean;
}

/** Knows up to where everything is settled, whichever record was settled first. */
export interface Ledger {
  /** A record is under way; the answer settles it. */
  open(end: Place): () => void;
  /** Everything before it is settled. */
  place(): Place;
  /** Nothing is under way. */
  isSettled(): boolean;
  /** Resolves once there is room: one record that takes long must not let the others pile up behind it. */
  room(): Promise<void> | undefined;
  /** Lets whoever waits for room go on without. */
  release(): void;
}

const mostEntries = 20_000;
const leaveBehind = 1024;

export function openLedger(from: Place): Ledger {
  let entries: Entry[] = [];
  let head = 0;
  let place = from;
  let waiting: (() => void) | undefined;
  let released = false;

  function advance(): void {
    for (let first = entries[head]; first?.settled; first = entries[head]) {
      place = first.end;
      head++;
    }
    if (head >= leaveBehind && head * 2 >= entries.length) {
      entries = entries.slice(head);
      head = 0;
    }
    if (waiting === undefined || entries.length - head >= mostEntries) return;
    waiting();
    waiting = undefined;
  }

  return {
    open(end) {
      const entry = { end, settled: false };
      entries.push(entry);
      return () => {
        entry.settled = true;
        if (entries[head] === entry) advance();
      };
    },
    place: () => place,
    isSettled: () => head === entries.length,
    room() {
      if (released || entries.length - head < mostEntries) return undefined;
      return new Promise((resolve) => {
        waiting = resolve;
      });
    },
    release() {
      released = true;
      waiting?.();
    },
  };
}
