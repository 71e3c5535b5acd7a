import { spawnSync } from 'node:child_process';
import { type Client, createClient } from '@eventsieve/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventsieve, linesOf, type Running, run, start } from './support/command-line.js';
import { drained } from './support/exactness.js';
import { planCopies, sendAll } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
let client: Client;
let at: string[];

beforeAll(async () => {
  system = await startSystem();
  at = ['--gateway', system.gatewayAddress, '--query', system.queryAddress];
  client = createClient({ gateway: system.gatewayAddress, query: system.queryAddress });
});
afterAll(async () => {
  await client.close();
  await system.stop();
});

const publish = (topic: string, from: number, count: number) =>
  client.publish(
    Array.from({ length: count }, (_, n) => ({ topic, eventId: `${topic}-${from + n}`, source: 'tests' })),
  );
const idsOf = (lines: readonly string[]) => lines.map((line) => line.split('\t')[2]);
const idsFrom = (topic: string, from: number, count: number) =>
  Array.from({ length: count }, (_, n) => `${topic}-${from + n}`);
const cursorIn = (text: string) => /go on with: --from ([\w-]+)\n$/.exec(text)?.[1] ?? '';

/** A tail from now on begins at a moment that only the server knows: what is published until then is not shown. */
async function follows(tail: Running, topic: string): Promise<void> {
  await waitUntil('it follows', async () => {
    await client.publish({ topic, source: 'probes' });
    return tail.stdout().includes('probes');
  });
}
const withoutProbes = (lines: readonly string[]) => lines.filter((line) => !line.includes('probes'));

test('tail follows from now on until Ctrl-C, says where it stopped, and goes on from there without gap or repeat', async () => {
  await publish('ctrl', 0, 3);
  const first = start(['tail', '--topic', 'ctrl', ...at]);
  await follows(first, 'ctrl');
  await publish('ctrl', 3, 4);
  await waitUntil('all are shown', () => withoutProbes(linesOf(first.stdout())).length === 4);
  first.child.kill('SIGINT');
  const stopped = await first.ended;
  expect(stopped.code).toBe(130);
  expect(idsOf(withoutProbes(stopped.lines))).toEqual(idsFrom('ctrl', 3, 4));

  await publish('ctrl', 7, 3);
  const cursor = cursorIn(stopped.stderr);
  const rest = await run(['tail', '--topic', 'ctrl', '--from', cursor, '--limit', '3', '--json', ...at]);
  expect(rest.code).toBe(0);
  const events = rest.lines.map((line) => JSON.parse(line) as { event_id: string });
  expect(events.map((event) => event.event_id)).toEqual(idsFrom('ctrl', 7, 3));
  const { events: listed } = (await (await fetch(`${system.http}/events?topic=ctrl`)).json()) as { events: object[] };
  expect(events).toEqual(listed.slice(-3));
});

test('tail begins at the first that is kept, or at a time, and takes the filters of events', async () => {
  await publish('begin', 0, 2);
  const tail = (...args: string[]) => run(['tail', ...args, ...at]);
  expect(idsOf((await tail('--topic', 'begin', '--from', 'start', '--limit', '2')).lines)).toEqual([
    'begin-0',
    'begin-1',
  ]);
  expect(idsOf((await tail('--topic', 'begin', '--from', '1h', '--limit', '1')).lines)).toEqual(['begin-0']);
  expect(idsOf((await tail('--event-id', 'begin-1', '--from', 'start', '--limit', '1')).lines)).toEqual(['begin-1']);
});

test.each(['start', '1h', 'now'])('a tail from %s outlives the query service, and says so', async (from) => {
  const topic = `again-${from}`;
  const tail = start(['tail', '--topic', topic, '--from', from, ...at]);
  const shown = () => withoutProbes(linesOf(tail.stdout()));
  if (from === 'now') await follows(tail, topic);
  else await publish(topic, 0, 2);
  await waitUntil('they are shown', () => from === 'now' || shown().length === 2);
  await system.query?.kill('SIGKILL');
  await waitUntil('it says so', () => tail.stderr().includes('; trying again\n'));
  await publish(topic, 2, 3);
  system.query = await system.startQuery();
  const count = from === 'now' ? 3 : 5;
  await waitUntil('all are shown', () => shown().length >= count);
  await publish(topic, 5, 1);
  await waitUntil('the last one, too', () => shown().length > count);
  tail.child.kill('SIGTERM');
  const { code, lines, stderr } = await tail.ended;
  expect(code).toBe(143);
  expect(idsOf(withoutProbes(lines))).toEqual(from === 'now' ? idsFrom(topic, 2, 4) : idsFrom(topic, 0, 6));
  expect(linesOf(stderr)).toEqual([
    expect.stringMatching(/^UNAVAILABLE: .*; trying again$/),
    'connected again',
    expect.stringMatching(/^go on with: --from [\w-]+$/),
  ]);
});

test('tail beside a load, with each service killed meanwhile, shows each unique event once', async () => {
  const tail = start(['tail', '--source', 'test', '--from', 'start', '--json', ...at]);
  const planned = planCopies(6_000, 0.3, 'load');
  const sending = sendAll(planned, { connections: 4, batchSize: 20, makeClient: system.ingest, retry: true });
  const shown = () => linesOf(tail.stdout()).length;
  await waitUntil('it is under way', () => shown() > 200);
  await system.query?.kill('SIGKILL');
  system.query = await system.startQuery();
  await system.gateway.kill('SIGKILL');
  system.gateway = await system.startGateway();
  await system.workers[0]?.kill('SIGKILL');
  system.workers[0] = await system.startWorker();
  await sending;
  await drained(system);
  const unique = new Set(planned.map(({ eventId }) => eventId));
  await waitUntil('all are shown', () => shown() >= unique.size);
  tail.child.kill('SIGINT');
  const { lines } = await tail.ended;
  const events = lines.map((line) => JSON.parse(line) as { id: string; event_id: string });
  expect(events.map((event) => event.event_id).sort()).toEqual([...unique].sort());
  const positions = events.map(({ id }) => Number(id));
  expect(positions).toEqual([...positions].sort((a, b) => a - b));
}, 240_000);

test('a reader that goes away ends it in silence', async () => {
  await publish('head', 0, 500);
  const line = `"$0" "$1" events --all --gateway ${system.gatewayAddress} --query ${system.queryAddress} | head -n 1`;
  const { status, stdout, stderr } = spawnSync('sh', ['-c', line, process.execPath, eventsieve], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(linesOf(stdout)).toHaveLength(1);
});

test('stats --watch says a line at a time when piped, goes on when the server was away, and ends by a signal', async () => {
  const watch = start(['stats', '--watch', '--interval', '100ms', ...at]);
  await waitUntil('it watches', () => linesOf(watch.stdout()).length > 1);
  await system.query?.kill('SIGKILL');
  await waitUntil('it says so', () => watch.stderr() !== '');
  system.query = await system.startQuery();
  const before = linesOf(watch.stdout()).length;
  await waitUntil('it goes on', () => linesOf(watch.stdout()).length > before + 1);
  watch.child.kill('SIGINT');
  const { code, lines, stderr } = await watch.ended;
  expect(code).toBe(130);
  expect(stderr).toMatch(/^UNAVAILABLE: .*; trying again\n$/);
  const pattern = /^\S+Z received=\d+ unique_processed=\d+ duplicate_dropped=\d+ .* received_per_second=[\d.]+$/;
  for (const line of lines) expect(line).toMatch(pattern);

  const byTopic = start(['stats', '--watch', '--by', 'topic', '--interval', '100ms', '--json', ...at]);
  await waitUntil('it watches', () => linesOf(byTopic.stdout()).length > 1);
  byTopic.child.kill('SIGTERM');
  const ended = await byTopic.ended;
  expect(ended.code).toBe(143);
  expect(JSON.parse(ended.lines[0] ?? '')).toMatchObject({ time: expect.any(String), topics: expect.any(Array) });
});
