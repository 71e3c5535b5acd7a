import { randomBytes } from 'node:crypto';
import {
  type DeadLetter,
  type DeadLetterFilter,
  DeadLetterState,
  type RedriveDeadLettersRequest,
  type RedriveDeadLettersResponse,
} from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { QueryServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { credentials } from '@grpc/grpc-js';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { auditedTotals, drained } from './support/exactness.js';
import { refuseMarked } from './support/refuse-marked.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';
import { watchCounts } from './support/watch-counts.js';

let system: System;
let broker: NatsConnection;
let query: QueryServiceClient;
let watch: ReturnType<typeof watchCounts>;

beforeEach(async () => {
  system = await startSystem({ workers: 2 });
  broker = await connect({ servers: system.natsUrl });
  query = new QueryServiceClient(system.queryAddress, credentials.createInsecure());
  watch = watchCounts(system);
  return async () => {
    await watch.stop();
    query.close();
    await broker.close();
    await system.stop();
  };
});

const call = {
  list: (filter: Partial<DeadLetterFilter> = {}, limit = 0, cursor = '', newestFirst = false) =>
    new Promise<{ deadLetters: DeadLetter[]; nextCursor: string }>((resolve, reject) => {
      const request = { filter: filterOf(filter), limit, cursor, newestFirst };
      query.listDeadLetters(request, (error, response) => (error ? reject(error) : resolve(response)));
    }),
  get: (position: bigint) =>
    new Promise<DeadLetter | undefined>((resolve, reject) => {
      query.getDeadLetter({ position }, (error, response) => (error ? reject(error) : resolve(response.deadLetter)));
    }),
  redrive: (request: Partial<RedriveDeadLettersRequest>) =>
    new Promise<RedriveDeadLettersResponse>((resolve, reject) => {
      const whole = { positions: [], filter: undefined, limit: 0, dryRun: false, ...request };
      query.redriveDeadLetters(whole, (error, response) => (error ? reject(error) : resolve(response)));
    }),
  discard: (positions: bigint[]) =>
    new Promise<bigint[]>((resolve, reject) => {
      const request = { positions, filter: undefined, limit: 0, dryRun: false };
      query.discardDeadLetters(request, (error, response) => (error ? reject(error) : resolve(response.positions)));
    }),
};

function filterOf(filter: Partial<DeadLetterFilter>): DeadLetterFilter {
  const state = DeadLetterState.DEAD_LETTER_STATE_UNSPECIFIED;
  return { topic: '', eventId: '', code: '', state, from: undefined, to: undefined, ...filter };
}

const copyOf = (eventId: string, payload = '{}', topic = 't') =>
  Copy.encode({
    topic: Buffer.from(topic),
    eventId: Buffer.from(eventId),
    source: Buffer.from('s'),
    payload: Buffer.from(payload),
    timestampUs: 1_700_000_000_000_000n,
    replyTo: '',
    ticket: 0n,
  }).finish();

/** Puts messages into the stream behind the gateway's back, and waits until they are settled. */
async function inject(...bodies: readonly Uint8Array[]): Promise<void> {
  const before = await system.database.value<string>('select known from watermark');
  for (const body of bodies) broker.publish(`${system.names.eventSubjectPrefix}t`, body);
  await broker.flush();
  await drained(system, Number(before) + bodies.length);
}

async function expectClean(): Promise<void> {
  const audit = (await (await fetch(`${system.http}/stats/reconcile`)).json()) as { ok: boolean; differences: unknown };
  expect(audit.differences).toEqual([]);
  expect(audit.ok).toBe(true);
}

test('a poison copy among 500 is kept alone, and redriven after a fix it is stored and counted once', async () => {
  const fix = await refuseMarked(system.database.pool);
  const bodies = Array.from({ length: 499 }, (_, i) => copyOf(`good-${i}`));
  bodies.splice(200, 0, copyOf('bad', '{"marked":1,"n":12345678901234567890.10}'));
  await inject(...bodies);
  expect(await auditedTotals(system.database)).toMatchObject({ unique: 499, duplicates: 0, dead: 1 });

  const { deadLetters } = await call.list();
  expect(deadLetters).toHaveLength(1);
  const [letter] = deadLetters;
  if (letter === undefined) throw new Error('no dead letter');
  expect(letter).toMatchObject({
    topic: 't',
    eventId: 'bad',
    code: '22023',
    state: DeadLetterState.DEAD_LETTER_STATE_OPEN,
  });
  expect(letter.reason).toContain('marked payloads are refused');
  const whole = await call.get(letter.position);
  expect(Buffer.from(whole?.body ?? []).equals(Buffer.from(bodies[200] as Uint8Array))).toBe(true);
  expect(whole?.copy).toMatchObject({ source: 's', payloadText: '{"marked":1,"n":12345678901234567890.10}' });

  await fix();
  const { matched, sent, results } = await call.redrive({ filter: filterOf({ code: '22023' }) });
  expect({ matched, sent }).toEqual({ matched: 1n, sent: 1 });
  expect(results[0]).toMatchObject({ position: letter.position, outcome: Outcome.OUTCOME_STORED, error: undefined });
  const after = await call.get(letter.position);
  expect(after).toMatchObject({
    state: DeadLetterState.DEAD_LETTER_STATE_REDRIVEN,
    redrivenPosition: results[0]?.redrivenPosition,
    redriveOutcome: Outcome.OUTCOME_STORED,
  });
  const found = (await (await fetch(`${system.http}/events/t/bad`)).json()) as { status: string; id: string };
  expect(found).toMatchObject({ status: 'stored', id: String(results[0]?.redrivenPosition) });
  expect(await watch.read()).toMatchObject({
    received: 500,
    redriven: 1,
    unique_processed: 500,
    dead_lettered: 1,
    in_flight: 0,
  });
  await expectClean();
});

test('a dead letter sent through again many times at once counts once', async () => {
  const fix = await refuseMarked(system.database.pool);
  await inject(...Array.from({ length: 40 }, (_, i) => copyOf(`bad-${i}`, '{"marked":1}')));
  await fix();
  await Promise.all(Array.from({ length: 5 }, () => call.redrive({ filter: filterOf({}) })));
  await waitUntil('all are redriven', async () => (await watch.read()).redriven === 40);
  await drained(system);
  await waitUntil(
    'none is under way',
    async () => (await system.database.value<number>('select count(*)::int from redrives')) === 0,
  );
  expect(await watch.read()).toMatchObject({ received: 40, redriven: 40, unique_processed: 40, duplicate_dropped: 0 });
  expect(await auditedTotals(system.database)).toMatchObject({ unique: 40, duplicates: 0, dead: 40 });
  expect(await system.database.value('select count(*)::int from replays')).toBeGreaterThan(0);
  await expectClean();
});

test('what is still refused is dead-lettered again, with a link to the first', async () => {
  await inject(copyOf('nul', '{"a":"\\u0000"}'), copyOf(randomBytes(3000).toString('hex')), Buffer.from([0x0a, 0xff]));
  const { deadLetters } = await call.list();
  expect(deadLetters.map(({ code }) => code)).toEqual(['22P05', '54000', 'UNDECODABLE']);
  const { sent, results } = await call.redrive({ positions: deadLetters.map(({ position }) => position) });
  expect(sent).toBe(3);
  expect(results.map(({ outcome }) => outcome)).toEqual([6, 6, 6]);
  expect(results[0]?.error?.code).toBe('22P05');
  const again = await call.list({ state: DeadLetterState.DEAD_LETTER_STATE_OPEN });
  expect(again.deadLetters.map(({ redriveOf }) => redriveOf).sort()).toEqual(
    deadLetters.map(({ position }) => position).sort(),
  );
  for (const { position, redriveOf } of again.deadLetters) {
    expect((await call.get(position))?.body).toEqual((await call.get(redriveOf))?.body);
  }
  expect(await watch.read()).toMatchObject({ received: 3, redriven: 3, dead_lettered: 6, in_flight: 0 });
  await expectClean();
});

test('a redriven repeat of a stored event is a duplicate, and a conflicting one a conflict', async () => {
  const fix = await refuseMarked(system.database.pool);
  await inject(copyOf('one', '{"marked":1}'), copyOf('two', '{"marked":1}'));
  await fix();
  await inject(copyOf('one', '{"marked":1}'), copyOf('two', '{}'));
  const { results } = await call.redrive({ filter: filterOf({}) });
  expect(results.map(({ outcome }) => outcome)).toEqual([Outcome.OUTCOME_DUPLICATE, Outcome.OUTCOME_CONFLICT]);
  expect(await auditedTotals(system.database)).toMatchObject({ unique: 2, duplicates: 2, conflicts: 1, dead: 2 });
  expect(await watch.read()).toMatchObject({ received: 4, redriven: 2 });
  await expectClean();
});

test('a dry run sends nothing; a discarded dead letter is left out of a filter, kept, and redriven only by position', async () => {
  const fix = await refuseMarked(system.database.pool);
  await inject(copyOf('one', '{"marked":1}'), copyOf('two', '{"marked":1}'));
  await fix();
  const dry = await call.redrive({ filter: filterOf({}), dryRun: true });
  expect({ matched: dry.matched, sent: dry.sent, of: dry.results.length }).toEqual({ matched: 2n, sent: 0, of: 2 });
  expect((await call.list({ state: DeadLetterState.DEAD_LETTER_STATE_OPEN })).deadLetters).toHaveLength(2);

  const [one, two] = dry.results.map(({ position }) => position) as [bigint, bigint];
  expect(await call.discard([one])).toEqual([one]);
  expect(await call.discard([one])).toEqual([]);
  expect((await call.get(one))?.body.length).toBeGreaterThan(0);
  const byFilter = await call.redrive({ filter: filterOf({ topic: 't' }) });
  expect(byFilter.results.map(({ position }) => position)).toEqual([two]);
  const byPosition = await call.redrive({ positions: [one, two, 999n] });
  expect(byPosition.results.map(({ outcome, error }) => error?.code ?? outcome)).toEqual([
    Outcome.OUTCOME_STORED,
    'ALREADY_REDRIVEN',
    'NOT_FOUND',
  ]);
  expect(await watch.read()).toMatchObject({ received: 2, redriven: 2, unique_processed: 2 });
  await expectClean();
});

test('a list can be filtered and paged from both ends', async () => {
  await inject(...Array.from({ length: 7 }, (_, i) => copyOf(`x-${i}`, '{', i % 2 === 0 ? 'even' : 'odd')));
  const first = await call.list({}, 3);
  const second = await call.list({}, 100, first.nextCursor);
  expect([...first.deadLetters, ...second.deadLetters].map(({ eventId }) => eventId)).toEqual(
    Array.from({ length: 7 }, (_, i) => `x-${i}`),
  );
  expect(second.nextCursor).toBe('');
  expect((await call.list({}, 2, '', true)).deadLetters.map(({ eventId }) => eventId)).toEqual(['x-6', 'x-5']);
  expect((await call.list({ topic: 'odd' })).deadLetters).toHaveLength(3);
  expect((await call.list({ eventId: 'x-4' })).deadLetters).toHaveLength(1);
  expect((await call.list({ code: '22021' })).deadLetters).toHaveLength(0);
  const soon = { seconds: BigInt(Math.floor(Date.now() / 1000) + 60), nanos: 0 };
  expect((await call.list({ to: soon })).deadLetters).toHaveLength(7);
  expect((await call.list({ from: soon })).deadLetters).toHaveLength(0);
});
