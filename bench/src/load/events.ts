import { randomBytes } from 'node:crypto';
import { IngestServiceService, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';

export type PayloadKind = 'struct' | 'json';

export const topics = ['orders.created', 'orders.paid', 'auth.login', 'billing.invoice.sent', 'shipping.label'];
export const sources = Array.from({ length: 10 }, (_, index) => `shop-${index}`);
export const payload = {
  order_id: 'A-1043-77',
  customer: { id: 4711, region: 'eu-west' },
  amount: 129.95,
  currency: 'EUR',
  items: 3,
  express: false,
};
const numberCharacters = 8;

/**
 * What is sent again and again with other ids. An event is encoded once; only the eight characters of its id that make
 * it another are written for each sending, so that the load costs little beside what is measured.
 */
export interface Template {
  readonly bytes: Buffer;
  /** Where the eight characters stand, for each event. */
  readonly idsAt: readonly number[];
}

/** The same for all events of a run, so that two runs never meet. */
export interface IdShape {
  readonly head: string;
  readonly tail: string;
}

export const newIdShape = (): IdShape => ({ head: '', tail: `-${randomBytes(14).toString('hex').slice(1)}` });

const marker = 'ZZZZZZZZ';

export function grpcTemplate(batch: number, kind: PayloadKind, stored: boolean, { head, tail }: IdShape): Template {
  const now = Date.now();
  const bytes = IngestServiceService.publish.requestSerialize({
    waitFor: stored ? WaitFor.WAIT_FOR_STORED : WaitFor.WAIT_FOR_BROKER,
    allowPartial: false,
    events: Array.from({ length: batch }, (_, index) => ({
      topic: topics[index % topics.length] as string,
      eventId: head + marker + tail,
      timestamp: { seconds: BigInt(Math.floor(now / 1000)), nanos: (now % 1000) * 1_000_000 },
      source: sources[index % sources.length] as string,
      payload: kind === 'struct' ? payload : undefined,
      payloadJson: kind === 'json' ? JSON.stringify(payload) : undefined,
    })),
  });
  return { bytes, idsAt: findAll(bytes, marker, batch) };
}

/** One event as an object, several as an array. */
export function httpTemplate(batch: number, { head, tail }: IdShape): Template {
  const events = Array.from({ length: batch }, (_, index) => ({
    topic: topics[index % topics.length],
    event_id: head + marker + tail,
    timestamp: new Date().toISOString(),
    source: sources[index % sources.length],
    payload,
  }));
  const bytes = Buffer.from(JSON.stringify(batch === 1 ? events[0] : events));
  return { bytes, idsAt: findAll(bytes, marker, batch) };
}

function findAll(bytes: Buffer, text: string, count: number): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) found.push(at);
  if (found.length !== count) throw new Error(`${count} ids were to be found, not ${found.length}`);
  return found;
}

// Spreads consecutive numbers over the whole index, as random ids would; odd, so no two numbers meet.
const spread = 0x9e3779b1;
const digits = Buffer.from('0123456789abcdef');

export function writeId(bytes: Buffer, at: number, number: number): void {
  let rest = Math.imul(number, spread) >>> 0;
  for (let place = numberCharacters - 1; place >= 0; place--) {
    bytes[at + place] = digits[rest & 15] as number;
    rest >>>= 4;
  }
}

/** A body of its own: the one before may not have left yet. */
export function fill({ bytes, idsAt }: Template, next: Numbers['next']): Buffer {
  const filled = Buffer.from(bytes);
  for (let place = 0; place < idsAt.length; place++) writeId(filled, idsAt[place] as number, next(place));
  return filled;
}

export interface Numbers {
  /** For the event at this place of a call. */
  next(place: number): number;
  /** How many were given out for the first time. */
  fresh(): number;
  /** From where on another run meets none of this one's. */
  nextRound(): number;
}

// Topic and source of an event follow from its place in the call: a repeat has to stand at a place of the same kind.
export const kindsOfPlace = 10;
// A repeat is of one of the latest: what is older may have left the broker's window, and the page cache.
const repeatableRounds = 5_000;

/** Numbers of which the share `repeats` was given out before, spread evenly. */
export function numbersWith(repeats: number, firstRound = 0): Numbers {
  const rounds: number[] = new Array(kindsOfPlace).fill(firstRound);
  let given = 0;
  let fresh = 0;
  let seed = 12_345;
  return {
    next(place) {
      const kind = place % kindsOfPlace;
      const round = rounds[kind] as number;
      given++;
      if (round > 0 && Math.floor(given * repeats) > Math.floor((given - 1) * repeats)) {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
        return (round - 1 - ((seed >>> 8) % Math.min(round, repeatableRounds))) * kindsOfPlace + kind;
      }
      fresh++;
      rounds[kind] = round + 1;
      return round * kindsOfPlace + kind;
    },
    fresh: () => fresh,
    nextRound: () => Math.max(...rounds),
  };
}

/** The event_id that a number was sent as. */
export function idOf(number: number, { head, tail }: IdShape): string {
  const digitsOf = Buffer.alloc(numberCharacters);
  writeId(digitsOf, 0, number);
  return head + digitsOf.toString() + tail;
}
