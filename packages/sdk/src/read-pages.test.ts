import { EventsieveError as ContractError } from '@eventsieve/contract/errors';
import { expect, test } from 'vitest';
import { EventsieveError } from './error.js';
import { type ReadPagesOptions, readPages } from './read-pages.js';

const fail = (code: ContractError['code'], details = {}) =>
  new EventsieveError(new ContractError(code, 'not now', details));

/** Reads pages from this script: a cursor to go on at, `end`, or an error. */
async function read(script: readonly (string | EventsieveError)[], options: ReadPagesOptions = {}) {
  const asked: string[] = [];
  let pages = 0;
  const answer = async (cursor: string) => {
    const next = script[asked.push(cursor) - 1];
    if (next instanceof EventsieveError) throw next;
    return next === 'end' || next === undefined ? {} : { nextCursor: next };
  };
  const failure = await (async () => {
    for await (const _ of readPages(answer, options)) pages++;
  })().catch((error: unknown) => error);
  return { asked, pages, failure };
}

test('pages follow each other to the end, also those that have nothing but a cursor', async () => {
  expect(await read(['a', 'b', 'end'])).toEqual({ asked: ['', 'a', 'b'], pages: 3, failure: undefined });
  expect(await read(['b', 'end'], { cursor: 'a' })).toMatchObject({ asked: ['a', 'b'] });
});

test('what breaks off is asked for again at the same cursor, and given once', async () => {
  const script = ['a', fail('UNAVAILABLE'), fail('RESOURCE_EXHAUSTED'), 'b', fail('DEADLINE_EXCEEDED'), 'end'];
  expect(await read(script)).toEqual({ asked: ['', 'a', 'a', 'a', 'b', 'b'], pages: 3, failure: undefined });
});

test('what trying again cannot help ends it, and so does the last of the tries', async () => {
  const wrong = fail('INVALID_ARGUMENT');
  expect(await read(['a', wrong, 'end'])).toEqual({ asked: ['', 'a'], pages: 1, failure: wrong });
  const gone = fail('UNAVAILABLE');
  expect(await read([gone, 'end'], { retry: false })).toMatchObject({ asked: [''], failure: gone });
  expect(await read([gone, gone, gone], { retry: { maxAttempts: 2, firstPauseMs: 1 } })).toMatchObject({
    asked: ['', ''],
    failure: gone,
  });
});

test('its signal ends the pause between two tries', async () => {
  const long = fail('UNAVAILABLE', { retryAfterMs: 20_000 });
  const reason = new Error('enough');
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 20);
  expect(await read([long, 'end'], { signal: controller.signal })).toMatchObject({ asked: [''], failure: reason });
});
