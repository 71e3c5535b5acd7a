import type { EventRow } from '../sql/event-row.js';
import type { Encoding } from './encoding.js';
import type { PayloadFilter } from './payload-filters.js';

export interface RingEvent {
  readonly position: bigint;
  readonly row: EventRow;
  /** The payload filters that it contains, of those that were asked about it. */
  readonly contains: readonly PayloadFilter[];
  readonly readAtMs: number;
  readonly encoded: Map<Encoding, Buffer>;
}

/** The newest events, in their order, without a gap: everything after `begin` and up to `end`. */
export interface EventRing {
  readonly begin: bigint;
  readonly end: bigint;
  restart(at: bigint): void;
  append(events: readonly RingEvent[], end: bigint): void;
  /** Lets go of what was read before that. */
  dropReadBefore(ms: number): void;
  /** Those after a position, oldest first. */
  after(position: bigint): Generator<RingEvent>;
  /** The same bytes for everybody who asks. */
  encode(event: RingEvent, encoding: Encoding): Buffer;
}

/** What was read is held no longer than this: what is erased meanwhile must not be given for long. */
export const heldMs = 10_000;

// What an entry takes besides its texts, roughly.
const entryBytes = 500;
const wornOut = 4096;

/** Bounded in bytes: the oldest go when there is no room. The newest event stays, however large it is. */
export function createEventRing(maxBytes: number): EventRing {
  let events: RingEvent[] = [];
  let first = 0;
  let begin = 0n;
  let end = 0n;
  let bytes = 0;

  function dropOldest(): void {
    const oldest = events[first++] as RingEvent;
    bytes -= bytesOf(oldest);
    begin = oldest.position;
    if (first === events.length || (first > wornOut && first > events.length / 2)) {
      events = events.slice(first);
      first = 0;
    }
  }

  /** The index of the first one after this position. */
  function indexAfter(position: bigint): number {
    let low = first;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((events[middle] as RingEvent).position > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  return {
    get begin() {
      return begin;
    },
    get end() {
      return end;
    },
    restart(at) {
      events = [];
      first = 0;
      bytes = 0;
      begin = at;
      end = at;
    },
    append(more, newEnd) {
      for (const event of more) {
        events.push(event);
        bytes += bytesOf(event);
      }
      end = newEnd;
      while (bytes > maxBytes && events.length - first > 1) dropOldest();
    },
    dropReadBefore(ms) {
      for (let oldest = events[first]; oldest !== undefined && oldest.readAtMs < ms; oldest = events[first])
        dropOldest();
    },
    *after(position) {
      for (let index = indexAfter(position); index < events.length; index++) yield events[index] as RingEvent;
    },
    encode(event, encoding) {
      const known = event.encoded.get(encoding);
      if (known !== undefined) return known;
      const made = encoding.event(event.row);
      event.encoded.set(encoding, made);
      bytes += made.length;
      return made;
    },
  };
}

function bytesOf({ row, encoded }: RingEvent): number {
  let total = entryBytes + 2 * row.payload.length;
  for (const { length } of encoded.values()) total += length;
  return total;
}
