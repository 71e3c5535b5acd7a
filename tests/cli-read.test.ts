import { type Client, createClient } from '@eventsieve/client';
import {
  HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from '@eventsieve/contract/gen/grpc/health/v1/health';
import { freePort } from '@eventsieve/embedded/free-port';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { linesOf, run } from './support/command-line.js';
import { drained } from './support/exactness.js';
import { refuseMarked } from './support/refuse-marked.js';
import { type System, startSystem } from './support/system.js';

let system: System;
let client: Client;
let at: string[];
let liftRule: () => Promise<unknown>;

const exact = '{"n":12345678901234567890.50,"deep":{"user":"u-1"}}';
const source = 'tests';

beforeAll(async () => {
  system = await startSystem();
  at = ['--gateway', system.gatewayAddress, '--query', system.queryAddress];
  client = createClient({ gateway: system.gatewayAddress, query: system.queryAddress });
  await client.publish([
    { topic: 'shop.paid', eventId: 'p-1', source, payloadJson: exact },
    { topic: 'shop.paid', eventId: 'p-1', source, payloadJson: exact },
    { topic: 'shop.sent', eventId: 's-1', source, payload: { text: 'tab\there, \u009b31mred' } },
    { topic: 'odd\u202etopic', eventId: '-dash', source, timestamp: '2024-05-01T12:00:00.123456Z' },
  ]);
  await client.publish({ topic: 'shop.paid', eventId: 'p-1', source: 'other', payload: { n: 1 } });
  await client.publish(Array.from({ length: 901 }, (_, n) => ({ topic: 'many', eventId: `m-${n}`, source })));
  liftRule = await refuseMarked(system.database.pool);
  const marked = Array.from({ length: 4 }, (_, n) => ({
    topic: 'dead',
    eventId: `d-${n}`,
    source,
    payload: { marked: n },
  }));
  await client.publish(marked);
  await drained(system);
});
afterAll(async () => {
  await client.close();
  await system.stop();
});

const ask = async (path: string) => (await fetch(`${system.http}${path}`)).text();
const json = async (path: string) => JSON.parse(await ask(path)) as Record<string, unknown>;
const read = (...args: string[]) => run([...args, ...at]);

test('events are listed in tabs, in order, and nothing in them steers a terminal', async () => {
  const { code, lines, stderr } = await read('events', '--limit', '3');
  expect(code).toBe(0);
  expect(lines.map((line) => line.split('\t').slice(1))).toEqual([
    ['shop.paid', 'p-1', source, '{"n": 12345678901234567890.50, "deep": {"user": "u-1"}}'],
    ['shop.sent', 's-1', source, '{"text": "tab\\there, \\u009b31mred"}'],
    ['odd\\u202etopic', '-dash', source, '{}'],
  ]);
  expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z\t/);
  expect(stderr).toMatch(/^there are more: --cursor [\w-]+\n$/);
});

test('with --json each line is an event as GET /events has it, to the letter', async () => {
  const { lines, stderr } = await read('events', '--topic', 'shop.*', '--json');
  expect(stderr).toBe('');
  expect(lines).toHaveLength(2);
  const body = await ask('/events?topic=shop.*');
  expect(body).toBe(`{"topic":"shop.*","count":2,"events":[${lines.join(',')}],"next_cursor":null}`);
  expect(lines[0]).toContain('12345678901234567890.50');
});

test('a limit over several pages ends at the event, and the cursor goes on with the next', async () => {
  const first = await read('events', '--topic', 'many', '--limit', '700', '--json');
  expect(first.lines).toHaveLength(700);
  const [, cursor = ''] = /--cursor ([\w-]+)/.exec(first.stderr) ?? [];
  const rest = await read('events', '--topic', 'many', '--all', '--cursor', cursor, '--json');
  expect(rest.stderr).toBe('');
  const ids = [...first.lines, ...rest.lines].map((line) => (JSON.parse(line) as { event_id: string }).event_id);
  expect(ids).toEqual(Array.from({ length: 901 }, (_, n) => `m-${n}`));
});

test.each([
  [['--topic', 'shop.paid'], ['p-1']],
  [['--topic-exact', 'shop.*'], []],
  [['--event-id', 's-1'], ['s-1']],
  [['--source', 'nobody'], []],
  [['--payload', '{"deep":{"user":"u-1"}}'], ['p-1']],
  [['--from', '2024-05-01', '--to', '2024-05-02'], ['-dash']],
  [
    ['--received-from', '1h', '--topic', 'shop.>'],
    ['p-1', 's-1'],
  ],
  [['--received-to', '1h'], []],
  [
    ['--order', 'desc', '--topic', 'shop.>'],
    ['s-1', 'p-1'],
  ],
])('%j selects %j', async (args, ids) => {
  const { code, lines } = await read('events', ...args);
  expect(code).toBe(0);
  expect(lines.map((line) => line.split('\t')[2])).toEqual(ids);
});

test('get tells of an event what became of it, and exits with 1 when it was never seen', async () => {
  const stored = await read('get', 'shop.paid', 'p-1', '--json');
  expect(stored).toMatchObject({ code: 0, stderr: '', stdout: `${await ask('/events/shop.paid/p-1')}\n` });
  const shown = await read('get', 'shop.paid', 'p-1');
  expect(shown.lines[0]).toBe('shop.paid p-1: stored');
  expect(shown.stdout).toContain('{"n": 12345678901234567890.50, "deep": {"user": "u-1"}}');

  const dead = await read('get', 'dead', 'd-0', '--json');
  expect(dead).toMatchObject({ code: 0, stdout: '{"status":"dead_lettered","topic":"dead","event_id":"d-0"}\n' });

  // A dash belongs behind two of them.
  expect(await run(['get', ...at, '--', 'odd\u202etopic', '-dash'])).toMatchObject({ code: 0 });

  const never = await read('get', 'shop.paid', 'no', '--json');
  expect(never).toMatchObject({ code: 1, stderr: 'shop.paid no was never seen.\n' });
  expect(JSON.parse(never.stdout)).toEqual({ status: 'never_seen', topic: 'shop.paid', event_id: 'no' });
});

test('stats have the form of the HTTP door, whole, by topic, by source and over time', async () => {
  const parsed = async (...args: string[]) => JSON.parse((await read('stats', '--json', ...args)).stdout) as object;
  const { uptime: _, uptime_seconds: __, uptime_human: ___, ...counts } = await json('/stats');
  expect(await parsed()).toMatchObject(counts);
  expect(counts).toMatchObject({ received: 910, unique_processed: 904, duplicate_dropped: 2, dead_lettered: 4 });
  expect(await parsed('--by', 'topic')).toEqual(await json('/stats/topics'));
  const { behind, ...sources } = await json('/stats/sources?topic=shop.paid');
  expect(behind).toBe(0);
  expect(await parsed('--by', 'source', '--topic', 'shop.paid')).toEqual(sources);
  const day = '2026-01-01';
  expect(await parsed('--step', '1d', '--from', day, '--to', '2026-01-03', '--topic', 'many')).toEqual(
    await json(`/stats/series?step=1d&topic=many&from=${day}T00:00:00Z&to=2026-01-03T00:00:00Z`),
  );
});

test('stats are a table for people, with a line for each count', async () => {
  const { lines } = await read('stats');
  expect(lines.slice(0, 4)).toEqual([
    '            counted  lifetime',
    'received        910       910',
    'unique          904       904',
    'duplicates        2         2',
  ]);
  const { lines: byTopic } = await read('stats', '--by', 'topic');
  expect(byTopic.find((line) => line.startsWith('shop.paid'))).toMatch(/^shop\.paid +3 +1 +2 +66\.67% +1 +0 +0$/);
});

test('duplicates have the form of the HTTP door, and conflicts are shown beside what is stored', async () => {
  const { stdout, code } = await read('duplicates', '--topic', 'shop.paid', '--json');
  const body = await ask('/duplicates?topic=shop.paid');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual(JSON.parse(body));
  expect(stdout).toContain('12345678901234567890.50');
  const shown = await read('duplicates', '--topic', 'shop.paid');
  expect(shown.stdout).toMatch(/\nconflict: shop\.paid p-1\n {2}stored .* tests .*\n {2}refused .* other .*\n/);
});

test('dead letters are listed and shown in the form of the HTTP door', async () => {
  const list = await read('dead-letters', 'list', '--topic', 'dead', '--json');
  const { dead_letters: letters } = (await json('/dead-letters?topic=dead')) as { dead_letters: { id: string }[] };
  expect(letters).toHaveLength(4);
  expect(list.lines.map((line) => JSON.parse(line) as object)).toEqual(letters);
  const one = letters[0]?.id ?? '';
  const shown = await read('dead-letters', 'show', one, '--json');
  expect(JSON.parse(shown.stdout)).toEqual(await json(`/dead-letters/${one}`));
  expect((await read('dead-letters', 'show', one)).stdout).toContain('marked payloads are refused');
  expect(await read('dead-letters', 'show', '1')).toMatchObject({ code: 1, stderr: 'There is no dead letter 1.\n' });
  const { lines, stderr } = await read('dead-letters', 'list', '--limit', '1', '--order', 'desc');
  expect(lines.map((line) => line.split('\t')[0])).toEqual([letters.at(-1)?.id]);
  expect(stderr).toBe('there are more: --all shows them\n');
});

test('dead letters are only redriven and discarded when it is said which, and each with its own line', async () => {
  const open = async () =>
    (await read('dead-letters', 'list', '--state', 'open')).lines.map((line) => line.split('\t')[0]);
  const [first = '', second = '', third = '', fourth = ''] = await open();
  for (const verb of ['redrive', 'discard']) {
    for (const args of [[], [first, '--all'], ['--all', '--topic', 'dead']]) {
      const { code, stderr } = await read('dead-letters', verb, ...args);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: 'Say which ones: by ids, by a filter such as --topic, or --all for all that are open.\n',
      });
    }
    expect(await read('dead-letters', verb, '--topic', '')).toMatchObject({ code: 2, stderr: '--topic is empty.\n' });
  }
  const dry = await read('dead-letters', 'redrive', '--topic', 'dead', '--dry-run');
  expect(dry).toMatchObject({ code: 0, stderr: 'nothing was sent, 0 more match\n' });
  expect(dry.lines).toEqual([first, second, third, fourth].map((id) => `${id} would be sent`));
  expect(await read('dead-letters', 'discard', fourth)).toMatchObject({ code: 0, stdout: `${fourth} discarded\n` });
  expect(await open()).toEqual([first, second, third]);

  // The rule stands: what is sent again is refused again.
  const refused = await read('dead-letters', 'redrive', first);
  expect(refused).toMatchObject({ code: 1, stderr: '1 sent, 1 failed, 0 left\n' });
  expect(refused.stdout).toMatch(new RegExp(`^${first} dead_lettered as \\d+: 22023, `));
  await liftRule();
  const limited = await read('dead-letters', 'redrive', '--all', '--limit', '1');
  expect(limited.stdout).toMatch(new RegExp(`^${second} stored as \\d+\n$`));
  expect(limited).toMatchObject({ code: 0, stderr: '1 sent, 0 failed, 2 left\n' });
  const rest = await read('dead-letters', 'redrive', '--all', '--json');
  expect(rest.lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { id: third, outcome: 'stored', error: null },
    { outcome: 'stored', error: null },
  ]);
  expect(await open()).toEqual([]);
  expect(await read('dead-letters', 'redrive', second)).toMatchObject({
    code: 0,
    stderr: '0 sent, 0 failed, 0 left\n',
  });
  expect(await read('dead-letters', 'redrive', '987654321')).toMatchObject({ code: 1 });
});

test('reconcile exits with 0 when everything adds up, and with 1 and a sentence each when it does not', async () => {
  await drained(system);
  const fine = await read('reconcile', '--json');
  expect(fine.code).toBe(0);
  expect(JSON.parse(fine.stdout)).toEqual(await json('/stats/reconcile'));
  expect((await read('reconcile')).lines.at(-1)).toBe('ok: everything adds up');

  const { pool } = system.database;
  await pool.query("update event_keys set event_id = 'lost' where topic = 'shop.sent'");
  const broken = await read('reconcile');
  await pool.query("update event_keys set event_id = 's-1' where topic = 'shop.sent'");
  expect(broken.code).toBe(1);
  expect(broken.lines.at(-1)).toBe('not ok');
  expect(linesOf(broken.stderr).length).toBeGreaterThan(0);
  expect((await read('reconcile')).code).toBe(0);
});

test('health exits with 3 when a server cannot be reached, and with 1 when it does not serve', async () => {
  const healthy = await read('health', '--json');
  expect(healthy.code).toBe(0);
  expect(JSON.parse(healthy.stdout)).toEqual({
    ok: true,
    gateway: { address: system.gatewayAddress, status: 'serving', parts: { nats: true } },
    query: { address: system.queryAddress, status: 'serving', parts: { postgres: true, nats: true } },
  });
  const nobody = `127.0.0.1:${await freePort()}`;
  const { code, lines } = await run(['health', '--gateway', system.gatewayAddress, '--query', nobody]);
  expect(code).toBe(3);
  expect(lines).toEqual([
    `gateway  ${system.gatewayAddress}  serving`,
    expect.stringMatching(new RegExp(`^query    ${nobody}  unreachable: .*ECONNREFUSED`)),
  ]);

  const [lacking, close] = await serveHealth({ '': Status.NOT_SERVING, nats: Status.NOT_SERVING });
  try {
    const unwell = await run(['health', '--gateway', lacking, '--query', system.queryAddress]);
    expect(unwell).toMatchObject({ code: 1, stderr: '' });
    expect(unwell.lines[0]).toBe(`gateway  ${lacking}  not_serving, without nats`);
  } finally {
    close();
  }
});

/** A server that only says how it is. */
async function serveHealth(states: Readonly<Record<string, Status>>): Promise<[address: string, close: () => void]> {
  const server = new Server();
  server.addService(HealthService, {
    check: (call: { request: { service: string } }, answer: (error: null, value: object) => void) =>
      answer(null, { status: states[call.request.service] ?? Status.SERVICE_UNKNOWN }),
    watch: () => undefined,
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return [`127.0.0.1:${port}`, () => server.forceShutdown()];
}
