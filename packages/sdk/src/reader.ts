import type { CallSettings, Peer } from './call.js';
import { createDeadLetters, type DeadLetters } from './dead-letter-calls.js';
import { type Duplicates, type DuplicatesOptions, readDuplicates } from './duplicates.js';
import { type Erasure, eraseEvents } from './erase-events.js';
import type { StoredEvent } from './event.js';
import { type FoundEvent, getEvent } from './get-event.js';
import { type EventPage, type ListOptions, listPages } from './list-events.js';
import { listStats, type NamedCounts, type StatsByOptions } from './list-stats.js';
import { type Reconciliation, readStats, reconcile, resetStats, type Stats } from './read-stats.js';
import { readSeries, type SeriesOptions, type StatsSeries } from './stats-series.js';
import { type Tail, type TailOptions, tailEvents } from './tail-events.js';

/** What was stored and counted. Lists and tails go on by themselves where a connection broke. */
export interface Reader {
  /** Every stored event that fits, page after page. */
  list(options?: ListOptions): AsyncGenerator<StoredEvent>;
  /** The same by pages, each with the cursor of the next. */
  pages(options?: ListOptions): AsyncGenerator<EventPage>;
  /** The stored events as they come: each once, in order, without a gap. */
  tail(options?: TailOptions): Tail;
  /** What became of one event; undefined when its id was never seen. */
  get(topic: string, eventId: string, settings?: CallSettings): Promise<FoundEvent | undefined>;
  /** Every counter, in one snapshot. */
  stats(settings?: CallSettings): Promise<Stats>;
  /** The counts of each topic or each source, by name. */
  statsBy(by: 'topic' | 'source', options?: StatsByOptions): AsyncGenerator<NamedCounts>;
  /** The counts over time. */
  statsSeries(options?: SeriesOptions): Promise<StatsSeries>;
  /** Makes the present counts the baseline that stats subtracts; nothing is deleted. */
  resetStats(settings?: CallSettings): Promise<{ readonly since: string }>;
  /** Who repeats, how often and after how long, and the conflicts beside what is stored. */
  duplicates(options?: DuplicatesOptions): Promise<Duplicates>;
  /** Whether everything adds up: counters, rows, broker. */
  reconcile(settings?: CallSettings): Promise<Reconciliation>;
  /**
   * Removes for good what one event carried: payload, source and timestamp. Its key and the counts stay, so a repeat is
   * still a duplicate. Undefined when its id was never seen.
   */
  erase(topic: string, eventId: string, settings?: CallSettings): Promise<Erasure | undefined>;
  /** The same for all events of a topic that are stored by now. */
  eraseTopic(topic: string, settings?: CallSettings): Promise<Erasure | undefined>;
  /** Copies that Postgres could not hold or that nobody could decode. */
  readonly deadLetters: DeadLetters;
}

export interface OwnReader extends Reader {
  /** Ends every tail, as `break` would. */
  endTails(): void;
}

export function createReader(query: Peer): OwnReader {
  const tails = new Set<Tail>();
  return {
    async *list(options = {}) {
      for await (const page of listPages(query, options)) yield* page.events;
    },
    pages: (options = {}) => listPages(query, options),
    tail(options = {}) {
      const tail = tailEvents(query, options, { onEnd: () => tails.delete(tail) });
      tails.add(tail);
      return tail;
    },
    get: (topic, eventId, settings = {}) => getEvent(query, topic, eventId, settings),
    stats: (settings = {}) => readStats(query, settings),
    statsBy: (by, options = {}) => listStats(query, by, options),
    statsSeries: (options = {}) => readSeries(query, options),
    resetStats: (settings = {}) => resetStats(query, settings),
    duplicates: (options = {}) => readDuplicates(query, options),
    reconcile: (settings = {}) => reconcile(query, settings),
    erase: (topic, eventId, settings = {}) => eraseEvents(query, { topic, eventId }, settings),
    eraseTopic: (topic, settings = {}) => eraseEvents(query, { topic }, settings),
    deadLetters: createDeadLetters(query),
    endTails() {
      for (const tail of tails) void tail.return();
    },
  };
}
