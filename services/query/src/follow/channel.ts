import { type EventFilter, matchesButPayload } from '../filter/event-filter.js';
import type { EventRow } from '../sql/event-row.js';
import type { Encoding } from './encoding.js';
import { type EventRing, heldMs, type RingEvent } from './event-ring.js';
import type { PayloadFilter } from './payload-filters.js';

export interface Message {
  readonly position: bigint;
  readonly bytes: Buffer;
}

/** What is handed to a follower at a time. */
export interface Chunk {
  readonly messages: readonly Message[];
  /** How many of the messages are events. */
  readonly events: number;
  /** Everything up to here that is wanted is in it, or was before. */
  readonly to: bigint;
  /** When the first of it was read from Postgres. */
  readonly readAtMs: number;
  /** All messages one after the other, made once for everybody who is given this chunk. */
  joined(): Buffer;
}

export type Wanted = () => boolean;

/** What followers with the same filter and encoding share. */
export interface Channel {
  readonly filter: EventFilter;
  readonly payload: PayloadFilter | undefined;
  readonly encoding: Encoding;
  /** How many events are looked for at a time, of those that are not covered. */
  pageRows: number;
  followers: number;
  /** What comes after this position need not be asked of Postgres. */
  covers(position: bigint): boolean;
  /** What the ring has after a position that is covered. */
  after(position: bigint): Chunk;
  /** The same from `read`, which is asked once for all who are at this position, and may give up what none of them wants. */
  older(
    position: bigint,
    wanted: Wanted,
    read: (wanted: Wanted) => Promise<Chunk | undefined>,
  ): Promise<Chunk | undefined>;
  /** Lets go of what is held for others to come to, as far as it is old or there are no others. */
  tidy(): void;
  /** Lets go of all of it. */
  forget(): void;
}

// Those who keep up are all at the same place, those who lag a little at another one.
const chunksKept = 2;
const firstPageRows = 64;

export interface ChannelDeps {
  readonly ring: EventRing;
  readonly filter: EventFilter;
  readonly payload: PayloadFilter | undefined;
  readonly encoding: Encoding;
  /** A chunk has no more than one event beyond it. */
  readonly chunkBytes: () => number;
}

export function createChannel({ ring, filter, payload, encoding, chunkBytes }: ChannelDeps): Channel {
  const kept = new Map<bigint, Chunk>();
  const reading = new Map<bigint, { readonly made: Promise<Chunk | undefined>; readonly wishes: Wanted[] }>();

  function matches({ row, contains }: RingEvent): boolean {
    return matchesButPayload(filter, row) && (payload === undefined || contains.includes(payload));
  }

  function keep(position: bigint, chunk: Chunk): void {
    if (channel.followers < 2) return;
    const [oldest] = kept.keys();
    if (kept.size >= chunksKept && oldest !== undefined) kept.delete(oldest);
    kept.set(position, chunk);
  }

  function recent(position: bigint): Chunk | undefined {
    const chunk = kept.get(position);
    return chunk !== undefined && isRecent(chunk) ? chunk : undefined;
  }

  function readRing(position: bigint): Chunk {
    const messages: Message[] = [];
    const maxBytes = chunkBytes();
    let readAtMs = performance.now();
    let bytes = 0;
    for (const event of ring.after(position)) {
      if (!matches(event)) continue;
      const message = { position: event.position, bytes: ring.encode(event, encoding) };
      bytes += message.bytes.length;
      messages.push(message);
      readAtMs = Math.min(readAtMs, event.readAtMs);
      if (bytes >= maxBytes) return chunkOf(messages, messages.length, event.position, readAtMs);
    }
    return chunkOf(messages, messages.length, ring.end, readAtMs);
  }

  const channel: Channel = {
    filter,
    payload,
    encoding,
    followers: 0,
    pageRows: firstPageRows,
    covers(position) {
      if (position >= ring.end) return true;
      if (payload === undefined) return position >= ring.begin;
      return payload.askedAfter !== undefined && position >= ring.begin && position >= payload.askedAfter;
    },
    after(position) {
      if (position >= ring.end) return chunkOf([], 0, position, performance.now());
      const known = recent(position);
      if (known !== undefined) return known;
      const made = readRing(position);
      keep(position, made);
      return made;
    },
    async older(position, wanted, read) {
      const known = recent(position);
      if (known !== undefined) return known;
      const shared = reading.get(position);
      if (shared !== undefined) {
        shared.wishes.push(wanted);
        return shared.made;
      }
      const wishes = [wanted];
      const made = read(() => wishes.some((each) => each()));
      reading.set(position, { made, wishes });
      try {
        const chunk = await made;
        if (chunk !== undefined) keep(position, chunk);
        return chunk;
      } finally {
        reading.delete(position);
      }
    },
    tidy() {
      for (const [position, chunk] of kept) {
        if (channel.followers < 2 || !isRecent(chunk)) kept.delete(position);
      }
    },
    forget: () => kept.clear(),
  };
  return channel;
}

const isRecent = ({ readAtMs }: Chunk) => performance.now() - readAtMs < heldMs;

/** The events of a page that was read for one follower. */
export function chunkOfRows(rows: readonly EventRow[], to: bigint, encoding: Encoding, readAtMs: number): Chunk {
  const messages = rows.map((row) => ({ position: BigInt(row.position), bytes: encoding.event(row) }));
  return chunkOf(messages, messages.length, to, readAtMs);
}

export function signOfLife(position: bigint, encoding: Encoding): Chunk {
  return chunkOf([{ position, bytes: encoding.place(position) }], 0, position, performance.now());
}

function chunkOf(messages: readonly Message[], events: number, to: bigint, readAtMs: number): Chunk {
  let joined: Buffer | undefined;
  return {
    messages,
    events,
    to,
    readAtMs,
    joined() {
      const [first] = messages;
      joined ??= messages.length === 1 && first ? first.bytes : Buffer.concat(messages.map(({ bytes }) => bytes));
      return joined;
    },
  };
}
