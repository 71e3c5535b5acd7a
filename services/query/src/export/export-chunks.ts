import type { EventFilter } from '../filter/event-filter.js';
import type { Queries } from '../queries.js';
import type { FoundEvents } from '../search/search-events.js';
import type { WriteLine } from './write-line.js';

export interface Export {
  readonly filter: EventFilter;
  /** Goes on behind this position. */
  readonly after: bigint | undefined;
  /** Ends with this position. */
  readonly upTo: bigint;
  readonly writeLine: WriteLine;
}

const pageRows = 1_000;
const pageBytes = 1024 ** 2;
const chunkLetters = 64 * 1024;

export type ExportQueries = Pick<Queries, 'database' | 'searchEvents' | 'searchTimeoutMs'>;

/** Of everything that is committed now. */
export async function lastStored({ database }: Pick<ExportQueries, 'database'>): Promise<bigint> {
  const [last] = await database.query<{ position: string }>(
    'select position from events order by position desc limit 1',
  );
  return BigInt(last?.position ?? 0);
}

/**
 * Lines in pieces, oldest first. The next page is read once the last piece of the one before was asked for, so no more
 * than a page is held however many events there are. A search that was stopped is gone on with.
 */
export async function* exportChunks(
  queries: ExportQueries,
  wanted: Export,
  first: FoundEvents,
): AsyncGenerator<string> {
  let chunk = '';
  for (let page = first; ; page = await readPage(queries, wanted, page.searchedTo)) {
    for (const row of page.rows) {
      chunk += wanted.writeLine(row);
      if (chunk.length < chunkLetters) continue;
      yield chunk;
      chunk = '';
    }
    if (page.end) break;
  }
  if (chunk !== '') yield chunk;
}

export function readPage(
  { searchEvents, searchTimeoutMs }: ExportQueries,
  { filter, upTo }: Export,
  after: bigint | undefined,
): Promise<FoundEvents> {
  const untilMs = performance.now() + searchTimeoutMs;
  return searchEvents(filter, { after, upTo, descending: false, limit: pageRows, maxBytes: pageBytes, untilMs });
}
