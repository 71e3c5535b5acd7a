import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';

/** One copy as a publisher sends it. The payload follows from topic, id and variant. */
export interface Copy {
  readonly topic: string;
  readonly eventId: string;
  readonly variant: number;
}

/** What publishers know of one id. */
export interface Entry {
  readonly topic: string;
  readonly eventId: string;
  readonly attempted: Map<number, number>;
  readonly answered: Map<number, Set<Outcome>>;
  /** When a first copy of it was answered with success, in ms since 1970. */
  answeredAtMs: number | undefined;
  /** What a STORED answer said. */
  storedAt: { readonly position: bigint; readonly variant: number } | undefined;
}

/** Everything that was sent and everything that was answered. */
export interface Ledger {
  readonly entries: ReadonlyMap<string, Entry>;
  attempt(copies: readonly Copy[]): void;
  answer(copy: Copy, outcome: Outcome, position: bigint): void;
  /** Copies sent, and copies that were answered with success. */
  totals(): { readonly attempted: number; readonly answered: number; readonly ids: number };
  readonly outcomes: ReadonlyMap<string, number>;
  readonly contradictions: readonly string[];
}

export const source = 'faults';
export const keyOf = ({ topic, eventId }: { topic: string; eventId: string }) => `${topic}/${eventId}`;
export const payloadOf = ({ eventId, variant }: Copy) => `{"id":"${eventId}","variant":${variant},"amount":12.50}`;

export function createLedger(): Ledger {
  const entries = new Map<string, Entry>();
  const outcomes = new Map<string, number>();
  const contradictions: string[] = [];
  let attempted = 0;
  let answered = 0;

  function entryOf(copy: Copy): Entry {
    const key = keyOf(copy);
    let entry = entries.get(key);
    if (entry === undefined) {
      const { topic, eventId } = copy;
      entry = {
        topic,
        eventId,
        attempted: new Map(),
        answered: new Map(),
        answeredAtMs: undefined,
        storedAt: undefined,
      };
      entries.set(key, entry);
    }
    return entry;
  }

  return {
    entries,
    outcomes,
    contradictions,
    attempt(copies) {
      attempted += copies.length;
      for (const copy of copies) {
        const { attempted: by } = entryOf(copy);
        by.set(copy.variant, (by.get(copy.variant) ?? 0) + 1);
      }
    },
    answer(copy, outcome, position) {
      answered++;
      const entry = entryOf(copy);
      entry.answeredAtMs ??= Date.now();
      const name = Outcome[outcome].replace('OUTCOME_', '').toLowerCase();
      outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
      const known = entry.answered.get(copy.variant);
      if (known) known.add(outcome);
      else entry.answered.set(copy.variant, new Set([outcome]));
      if (outcome !== Outcome.OUTCOME_STORED) return;
      if (entry.storedAt !== undefined && entry.storedAt.position !== position) {
        contradictions.push(`${keyOf(copy)} was answered as stored at ${entry.storedAt.position} and at ${position}`);
      }
      entry.storedAt = { position, variant: copy.variant };
    },
    totals: () => ({ attempted, answered, ids: entries.size }),
  };
}
