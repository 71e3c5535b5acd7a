import { EventsieveError } from '@eventsieve/contract/errors';
import {
  type DeadLetterFilter,
  DeadLetterState,
  ListDeadLettersResponse,
} from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { Redrive } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { discardDeadLetters } from '../src/rpc/discard-dead-letters.js';
import { getDeadLetter } from '../src/rpc/get-dead-letter.js';
import { getStats } from '../src/rpc/get-stats.js';
import { listDeadLetters } from '../src/rpc/list-dead-letters.js';
import { redriveDeadLetters } from '../src/rpc/redrive-dead-letters.js';
import { openFixture, type QueryFixture } from './query-fixture.js';

let fixture: QueryFixture;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
});
afterAll(() => fixture.close());
beforeEach(() => fixture.database.pool.query('truncate dead_letters, redrives, topic_counters, minute_counters'));

const any = DeadLetterState.DEAD_LETTER_STATE_UNSPECIFIED;
const noFilter: DeadLetterFilter = { topic: '', eventId: '', code: '', state: any, from: undefined, to: undefined };
const filterOf = (filter: Partial<DeadLetterFilter>) => ({ ...noFilter, ...filter });
const wholeList = { filter: undefined, limit: 0, cursor: '', newestFirst: false };
const choice = {
  positions: [] as bigint[],
  filter: undefined as DeadLetterFilter | undefined,
  limit: 0,
  dryRun: false,
};

const list = (request: Partial<Parameters<typeof listDeadLetters>[1]>) =>
  listDeadLetters(fixture.queries, { ...wholeList, ...request });
const redrive = (request: Partial<typeof choice>, queries = fixture.queries) =>
  redriveDeadLetters(queries, { ...choice, ...request });
const discard = (request: Partial<typeof choice>) => discardDeadLetters(fixture.queries, { ...choice, ...request });

const fieldsOf = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof EventsieveError ? [error.code, ...error.fields.map(({ field }) => field)] : error;
};

const nul = filterOf({ topic: 'a\0' });
const late = filterOf({ from: { seconds: 253_402_300_800n, nanos: 0 }, to: { seconds: 0n, nanos: -1 } });
const redriven = filterOf({ state: DeadLetterState.DEAD_LETTER_STATE_REDRIVEN });

test.each([
  ['a list', () => list({ limit: -1 }), ['limit']],
  ['a list', () => list({ limit: 1001 }), ['limit']],
  ['a list', () => list({ cursor: 'nope' }), ['cursor']],
  ['a list', () => list({ filter: nul }), ['filter.topic']],
  ['a list', () => list({ filter: filterOf({ eventId: 'x'.repeat(256) }) }), ['filter.event_id']],
  ['a list', () => list({ filter: filterOf({ code: '\0' }) }), ['filter.code']],
  ['a list', () => list({ filter: filterOf({ state: 9 as never }) }), ['filter.state']],
  ['a list', () => list({ filter: late }), ['filter.from', 'filter.to']],
  ['a look', () => getDeadLetter(fixture.queries, { position: 0n }), ['position']],
  ['a look', () => getDeadLetter(fixture.queries, { position: -1n }), ['position']],
  ['a redrive', () => redrive({}), ['positions']],
  ['a redrive', () => redrive({ positions: [1n], filter: noFilter }), ['filter']],
  ['a redrive', () => redrive({ positions: [1n, 0n, -5n] }), ['positions[1]', 'positions[2]']],
  ['a redrive', () => redrive({ positions: Array.from({ length: 1001 }, (_, i) => BigInt(i + 1)) }), ['positions']],
  ['a redrive', () => redrive({ filter: redriven }), ['filter.state']],
  ['a redrive', () => redrive({ filter: nul, limit: 1001 }), ['filter.topic', 'limit']],
  ['a redrive', () => redrive({ filter: noFilter, limit: -1 }), ['limit']],
  ['a discard', () => discard({}), ['positions']],
  ['a discard', () => discard({ positions: [1n], filter: noFilter }), ['filter']],
  ['a discard', () => discard({ positions: [-1n] }), ['positions[0]']],
  ['a discard', () => discard({ filter: redriven }), ['filter.state']],
  ['a discard', () => discard({ filter: late, limit: 1001 }), ['filter.from', 'filter.to', 'limit']],
] as const)('%s that is asked for wrongly names each field at fault: %#', async (_, call, fields) => {
  expect(await fieldsOf(call())).toEqual(['INVALID_ARGUMENT', ...fields]);
});

test('a dead letter that is not there is not found', async () => {
  expect(await fieldsOf(getDeadLetter(fixture.queries, { position: 4711n }))).toEqual(['NOT_FOUND']);
});

test('a page of the longest texts fits into what a gRPC client takes, and the next one goes on', async () => {
  await fixture.database.pool.query(
    `insert into dead_letters
       (position, received_at, topic, event_id, subject, headers, body, code, reason, attempts, redrive_of)
     select n, now(), $1, $1, $1, '{}', '', 'UNDECODABLE', $1, 2147483647, 9223372036854775807
     from generate_series(1, 1000) n`,
    ['\u{1f600}'.repeat(255)],
  );
  const first = await list({ limit: 1000 });
  expect(ListDeadLettersResponse.encode(first).finish().length).toBeLessThan(4 * 1024 ** 2);
  expect(first.deadLetters.length).toBeGreaterThan(500);
  const second = await list({ limit: 1000, cursor: first.nextCursor });
  expect([...first.deadLetters, ...second.deadLetters].map(({ position }) => Number(position))).toEqual(
    Array.from({ length: 1000 }, (_, i) => i + 1),
  );
  expect(second.nextCursor).toBe('');
});

test('a body of 32 MB comes back whole, and what the broker does not take is refused as that', async () => {
  await fixture.deadLetter(1, 't', 'large');
  const size = 32 * 1024 ** 2;
  await fixture.database.pool.query(`update dead_letters set body = decode(repeat('ab', $1), 'hex')`, [size]);
  const { deadLetter } = await getDeadLetter(fixture.queries, { position: 1n });
  expect(deadLetter?.body.length).toBe(size);
  expect(deadLetter?.body.every((byte) => byte === 0xab)).toBe(true);

  const { matched, sent, results } = await redrive({ positions: [1n] });
  expect({ matched, sent }).toEqual({ matched: 1n, sent: 0 });
  expect(results[0]?.error).toMatchObject({ code: 'BROKER_REFUSED', message: expect.stringContaining('max_payload') });
  expect(await fixture.database.value('select count(*)::int from redrives')).toBe(0);
});

test('a limit takes the oldest that can be taken, and says nothing of those that it leaves', async () => {
  for (const n of [1, 2, 3, 4]) await fixture.deadLetter(n, 't', `e${n}`);
  await fixture.database.pool.query("update dead_letters set state = 'redriven' where position = 1");
  const positions = [4n, 3n, 2n, 1n, 99n];
  const { matched, results } = await redrive({ positions, limit: 2, dryRun: true });
  expect(matched).toBe(3n);
  expect(results.map(({ position, error }) => [Number(position), error?.code])).toEqual([
    [1, 'ALREADY_REDRIVEN'],
    [2, undefined],
    [3, undefined],
    [99, 'NOT_FOUND'],
  ]);
  const byFilter = await redrive({ filter: noFilter, limit: 2, dryRun: true });
  expect({ matched: byFilter.matched, of: byFilter.results.map(({ position }) => Number(position)) }).toEqual({
    matched: 3n,
    of: [2, 3],
  });
});

test.each([
  ['topic', { topic: 't' }, [1, 3]],
  ['event_id', { eventId: 'e2' }, [2]],
  ['code', { code: '22021' }, [3]],
  ['topic and code', { topic: 't', code: '22P02' }, [1]],
  ['from', { from: { seconds: 1_700_000_000n, nanos: 0 } }, [2, 3]],
  ['to', { to: { seconds: 1_700_000_000n, nanos: 0 } }, [1]],
  ['topic of none', { topic: 'nothing' }, []],
  ['nothing', {}, [1, 2, 3]],
] as const)(
  'a filter by %s takes the open ones that match it: to list, redrive and discard',
  async (_, part, expected) => {
    for (const [n, topic] of [
      [1, 't'],
      [2, 'u'],
      [3, 't'],
      [4, 't'],
    ] as const) {
      await fixture.deadLetter(n, topic, `e${n}`);
    }
    await fixture.database.pool.query(`
    update dead_letters set
      code = case position when 3 then '22021' else code end,
      dead_lettered_at = case position when 1 then to_timestamp(1699999999.999999) else to_timestamp(1700000000) end,
      state = case position when 4 then 'redriven' else state end`);
    const filter = filterOf(part);
    const open = filterOf({ ...part, state: DeadLetterState.DEAD_LETTER_STATE_OPEN });
    const listed = (await list({ filter: open })).deadLetters.map(({ position }) => Number(position));
    const dry = (await redrive({ filter, dryRun: true })).results.map(({ position }) => Number(position));
    const dryDiscard = (await discard({ filter, dryRun: true })).positions.map(Number);
    const discarded = await discard({ filter });
    expect([listed, dry, dryDiscard, discarded.positions.map(Number)]).toEqual([
      expected,
      expected,
      expected,
      expected,
    ]);
    expect(Number(discarded.matched)).toBe(expected.length);
    expect(await discard({ positions: [1n, 2n, 3n, 4n] })).toMatchObject({ matched: BigInt(3 - expected.length) });
    const state = await database('select state from dead_letters where position = 4');
    expect(state).toBe('redriven');
  },
);

const database = (text: string) => fixture.database.value(text);

test('a discard by position leaves what is not open, and a limit takes the oldest', async () => {
  for (const n of [1, 2, 3, 4]) await fixture.deadLetter(n, 't', `e${n}`);
  await fixture.database.pool.query("update dead_letters set state = 'redriven' where position = 2");
  expect(await discard({ positions: [4n, 3n, 2n, 1n, 99n], limit: 2 })).toEqual({ matched: 3n, positions: [1n, 3n] });
  expect(await database('select state from dead_letters where position = 2')).toBe('redriven');
});

test('a dead letter is sent with what it came with, on a subject of its own, once written down', async () => {
  await fixture.deadLetter(1, 't', 'e1');
  const { results } = await redrive({ positions: [1n] });
  expect(results).toMatchObject([{ position: 1n, error: undefined }]);
  const seq = Number(results[0]?.redrivenPosition);
  const message = await fixture.jsm.streams.getMessage(fixture.names.stream, { seq });
  expect(message?.subject).toBe(fixture.names.redriveSubject);
  const { deadLetter, subject, body, sending } = Redrive.decode(message?.data ?? new Uint8Array(0));
  expect({ deadLetter, subject, body: Buffer.from(body).toString('hex') }).toEqual({
    deadLetter: 1n,
    subject: 's',
    body: '00',
  });
  expect(await database(`select position from redrives where sending = ${sending}`)).toBe(
    String(results[0]?.redrivenPosition),
  );
});

test('redrives that wait in the broker are no copies, and one that is not placed yet is waited for', async () => {
  const before = (await getStats(fixture.queries)).lifetime?.received;
  for (const n of [1001, 1002]) await fixture.deadLetter(n, 't', `e${n}`);
  const withTwo = (await getStats(fixture.queries)).lifetime;
  await redrive({ filter: noFilter });
  const after = await getStats(fixture.queries);
  expect(after.lifetime?.received).toBe(withTwo?.received);
  expect(after.lifetime?.inFlight).toBe(withTwo?.inFlight);
  expect(before).toBeDefined();

  const unplaced = await database('insert into redrives (dead_letter) values (1001) returning sending');
  const reading = getStats(fixture.queries);
  const sequence = await fixture.send(1);
  const settled = await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 200, 'waiting'))]);
  expect(settled).toBe('waiting');
  await fixture.database.pool.query('update redrives set position = $2 where sending = $1', [unplaced, sequence]);
  expect((await reading).lifetime?.received).toBe(withTwo?.received);
});

test('what never came is forgotten after a day', async () => {
  await fixture.deadLetter(1, 't', 'e1');
  await fixture.database.pool.query(`
    insert into redrives (dead_letter, sent_at, position)
    values (7, now() - interval '25 hours', null), (7, now() - interval '25 hours', 0),
           (7, now() - interval '25 hours', 1000000), (7, now() - interval '23 hours', null)`);
  await redrive({ positions: [1n] });
  expect(await database('select count(*)::int from redrives where dead_letter = 7')).toBe(2);
});

test('while the broker is away nothing is written down, and a dry run still answers', async () => {
  await fixture.deadLetter(1, 't', 'e1');
  const away = {
    ...fixture.queries,
    lastPosition: { ...fixture.queries.lastPosition, read: async () => 'away' as const },
  };
  expect(await fieldsOf(redrive({ positions: [1n] }, away))).toEqual(['UNAVAILABLE']);
  expect(await database('select count(*)::int from redrives')).toBe(0);
  expect((await redrive({ positions: [1n], dryRun: true }, away)).matched).toBe(1n);
});
