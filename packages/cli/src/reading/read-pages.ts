import type { Client, EventPage, ListOptions } from '@eventsieve/client';

const mostInPage = 500;

/**
 * So many events, page after page, each with the cursor of what comes next. A server that is not there at the first is told
 * at once; one that goes away later is waited for.
 */
export async function* readPages(
  client: Pick<Client, 'pages'>,
  options: ListOptions,
  wanted: number,
): AsyncGenerator<EventPage> {
  let left = wanted;
  let cursor = options.cursor;
  let retry = false;
  do {
    const { value: page } = await client
      .pages({ ...options, cursor, retry, pageSize: Math.min(left, mostInPage) })
      .next();
    if (page === undefined) return;
    yield page;
    left -= page.events.length;
    cursor = page.nextCursor;
    retry = true;
  } while (left > 0 && cursor !== undefined);
}
