import { expect, test } from 'vitest';
import { connect } from '../src/connect.js';
import { type EventPage, listPages } from '../src/list-events.js';
import { startFakeQuery } from './fake-query.js';

test('a search that is stopped with nothing found is followed to its end, by the same filter', async () => {
  const query = await startFakeQuery(
    () => undefined,
    [
      { nextCursor: 'a', stopped: true },
      { nextCursor: 'b', stopped: true },
      { events: [{ event: undefined, position: 7n, receivedAt: undefined }] },
    ],
  );
  const peer = connect(query.address, {});
  const pages: EventPage[] = [];
  for await (const page of listPages(peer, { source: 's', order: 'desc', pageSize: 3 })) pages.push(page);
  peer.client.close();
  query.stop();
  expect(pages).toMatchObject([
    { events: [], stopped: true, nextCursor: 'a' },
    { events: [], stopped: true, nextCursor: 'b' },
    { events: [{ position: 7n }], stopped: false },
  ]);
  expect(pages[2]).not.toHaveProperty('nextCursor');
  expect(query.lists.map(({ cursor, source, limit, order }) => [cursor, source, limit, order])).toEqual([
    ['', 's', 3, 2],
    ['a', 's', 3, 2],
    ['b', 's', 3, 2],
  ]);
});
