import type { EventFilter } from '../filter/event-filter.js';
import type { Statements } from '../sql/database.js';
import type { EventRow } from '../sql/event-row.js';
import { scanEvents } from './scan-events.js';

export interface SearchBounds {
  /** Goes on beyond this position: above it, or below it when descending. */
  readonly after?: bigint | undefined;
  /** Nothing above this position. */
  readonly upTo?: bigint | undefined;
  readonly descending: boolean;
  readonly limit: number;
  /** Of payloads as text. The first event is given however large it is. */
  readonly maxBytes: number;
  /** By performance.now(): then the search stops where it is. It always looks at something before that. */
  readonly untilMs: number;
}

export interface FoundEvents {
  /** In the order asked for. */
  readonly rows: readonly EventRow[];
  /** Everything between `after` and this position, itself included, was looked at: whoever goes on does so beyond it. */
  readonly searchedTo: bigint;
  /** Beyond it there is nothing at the moment. */
  readonly end: boolean;
  /** The time was up before the page was full or the end was reached. */
  readonly stopped: boolean;
}

/** One page of the events that a filter matches. What was committed before it began is in it. */
export type SearchEvents = (filter: EventFilter, bounds: SearchBounds) => Promise<FoundEvents>;

export interface SearchDeps {
  readonly database: Statements;
}

export function searchesEvents({ database }: SearchDeps): SearchEvents {
  return async (filter, { after, upTo, descending, limit, maxBytes, untilMs }) => {
    const rows: EventRow[] = [];
    let bytes = 0;
    let searchedTo = after;
    const nothing = !descending && upTo !== undefined && after !== undefined && after >= upTo;
    while (!nothing) {
      const budgetMs = Math.max(1, untilMs - performance.now());
      const wanted = limit - rows.length;
      const scan = { after: searchedTo, upTo, descending, rows: wanted + 1, maxBytes: maxBytes - bytes, budgetMs };
      const found = await scanEvents(database, filter, scan);
      for (const row of found.rows.slice(0, wanted)) {
        rows.push(row);
        bytes += Buffer.byteLength(row.payload);
      }
      if (found.rows.length > wanted || bytes >= maxBytes) {
        return { rows, searchedTo: BigInt(rows.at(-1)?.position ?? 0), end: false, stopped: false };
      }
      if (found.searchedTo === undefined) break;
      searchedTo = found.searchedTo;
      if (performance.now() >= untilMs) return { rows, searchedTo, end: false, stopped: rows.length < limit };
    }
    const last = BigInt(rows.at(-1)?.position ?? 0);
    const reached = [upTo ?? last, searchedTo ?? 0n].reduce((one, other) => (one > other ? one : other));
    return { rows, searchedTo: descending ? 0n : reached, end: true, stopped: false };
  };
}
