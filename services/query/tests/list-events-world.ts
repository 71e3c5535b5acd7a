import type { Pool } from 'pg';

/** An event as the tests know it; times in microseconds since 1970. */
export interface KnownEvent {
  readonly position: number;
  readonly topic: string;
  readonly eventId: string;
  readonly source: string;
  readonly receivedUs: bigint;
  readonly happenedUs: bigint;
  readonly payload: Json;
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface Wanted {
  readonly topic?: string;
  readonly topicExact?: string;
  readonly source?: string;
  readonly eventId?: string;
  readonly receivedFromUs?: bigint;
  readonly receivedToUs?: bigint;
  readonly fromUs?: bigint;
  readonly toUs?: bigint;
  readonly payload?: Json;
}

export type Random = (below: number) => number;

/** A fixed seed: a failure comes back. */
export function randomOf(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)] as T;

/** What the search has to agree with: the filters as the contract words them, over events in memory. */
export function isWanted(event: KnownEvent, wanted: Wanted): boolean {
  const { topic, topicExact, source, eventId, payload } = wanted;
  return (
    (topic === undefined || fits(topic.split('.'), event.topic.split('.'))) &&
    (topicExact === undefined || topicExact === event.topic) &&
    (source === undefined || source === event.source) &&
    (eventId === undefined || eventId === event.eventId) &&
    (wanted.receivedFromUs === undefined || event.receivedUs >= wanted.receivedFromUs) &&
    (wanted.receivedToUs === undefined || event.receivedUs < wanted.receivedToUs) &&
    (wanted.fromUs === undefined || event.happenedUs >= wanted.fromUs) &&
    (wanted.toUs === undefined || event.happenedUs < wanted.toUs) &&
    (payload === undefined || contains(event.payload, payload))
  );
}

function fits([first, ...rest]: readonly string[], given: readonly string[]): boolean {
  if (first === undefined) return given.length === 0;
  if (first === '>' && rest.length === 0) return given.length > 0;
  return given.length > 0 && (first === '*' || first === given[0]) && fits(rest, given.slice(1));
}

/** As Postgres' @>, but for an array that contains a bare value, which does not occur within an object. */
function contains(whole: Json, part: Json): boolean {
  if (Array.isArray(part)) {
    return Array.isArray(whole) && part.every((each) => whole.some((item) => contains(item as Json, each)));
  }
  if (typeof part === 'object' && part !== null) {
    if (typeof whole !== 'object' || whole === null || Array.isArray(whole)) return false;
    const members = whole as { readonly [key: string]: Json };
    return Object.entries(part).every(([key, value]) => key in members && contains(members[key] as Json, value));
  }
  return whole === part;
}

/** Writes down what the roll-up would: the times of all events in each so many positions, up to `upTo`. */
export async function writeChapters(pool: Pool, events: readonly KnownEvent[], size: number, upTo: number) {
  const time = (us: bigint) => `timestamptz 'epoch' + interval '${us / 1_000_000n}s ${us % 1_000_000n}us'`;
  for (let first = 1; first + size - 1 <= upTo; first += size) {
    const within = events.filter(({ position }) => position >= first && position < first + size);
    const bounds = (of: (event: KnownEvent) => bigint) => {
      const sorted = within.map(of).sort((one, other) => (one < other ? -1 : 1));
      return sorted.length === 0 ? 'null, null' : `${time(sorted[0] ?? 0n)}, ${time(sorted.at(-1) ?? 0n)}`;
    };
    await pool.query(
      `insert into chapters values (${first}, ${first + size - 1}, ${within.length},
         ${bounds(({ receivedUs }) => receivedUs)}, ${bounds(({ happenedUs }) => happenedUs)})`,
    );
  }
}
