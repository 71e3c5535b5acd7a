import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IngestServiceService, PublishRequest, PublishResponse } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Server, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js';
import { afterAll, expect, inject, test } from 'vitest';
import { readBenchOptions } from '../bench/src/bench-options.js';
import { cases } from '../bench/src/cases/catalog.js';
import { fill, grpcTemplate, httpTemplate, idOf, newIdShape, numbersWith } from '../bench/src/load/events.js';
import { openGrpcDoor } from '../bench/src/load/grpc-door.js';
import { createLatencies } from '../bench/src/load/latencies.js';
import { toJson } from '../bench/src/report.js';
import { problemsOf } from '../bench/src/world/stored.js';
import { drained } from './support/exactness.js';
import { planCopies, sendAll } from './support/publishers.js';
import { startSystem } from './support/system.js';

const command = fileURLToPath(new URL('../bench/dist/bench.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'eventsieve-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(args: readonly string[]): Promise<{ code: number; output: string; errors: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH, NATS_SERVER: inject('natsBinary') };
    const child = execFile(process.execPath, [command, ...args], { cwd: folder, env }, (_, output, errors) => {
      resolve({ code: child.exitCode ?? -1, output, errors });
    });
  });
}

test('a run prints a table, and the same figures as JSON', async () => {
  const file = join(folder, 'figures.json');
  const { code, output, errors } = await run([
    '--only',
    'grpc-single,http-single-dups30',
    '--seconds',
    '1',
    '--json',
    file,
  ]);
  expect({ code, errors }).toMatchObject({ code: 0 });
  const { machine, cases: figures } = JSON.parse(readFileSync(file, 'utf8'));
  expect(machine).toMatchObject({ node: process.version, cores: expect.any(Number) });
  expect(figures.map(({ name }: { name: string }) => name)).toEqual([
    'grpc-noop',
    'grpc-single',
    'http-noop',
    'http-single-dups30',
  ]);
  for (const { name, events_per_s: eventsPerSecond, p50_ms: p50, p99_ms: p99, exact, problems } of figures) {
    expect({ name, exact, problems }).toEqual({ name, exact: true, problems: [] });
    expect(eventsPerSecond).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(p50);
    expect(output).toMatch(new RegExp(`^${name} +${Math.round(eventsPerSecond)} .* yes`, 'm'));
  }
  const single = figures[1];
  expect(single.ratio).toBeCloseTo(single.events_per_s / figures[0].events_per_s, 2);
  expect(single.ratio_of).toBe('grpc-noop');
  expect(Object.keys(single.cpu_s_of)).toEqual(['gateway', 'dedup-worker', 'query', 'postgres', 'nats', 'load']);
  expect(single.cpu_s).toBeGreaterThan(0);
  expect(single.rss_mb).toBeGreaterThan(20);
}, 120_000);

test('what is divided by Postgres alone is divided by what it gave right before and right after', async () => {
  const file = join(folder, 'by-ceiling.json');
  const { code, errors } = await run(['--only', 'http-array50', '--seconds', '1', '--json', file]);
  expect({ code, errors }).toMatchObject({ code: 0 });
  const [ceiling, array] = JSON.parse(readFileSync(file, 'utf8')).cases;
  const { ceilingBefore, ceilingAfter } = array.more;
  expect(new Set([ceiling.events_per_s, ceilingBefore, ceilingAfter]).size).toBe(3);
  expect(Math.min(ceilingBefore, ceilingAfter)).toBeGreaterThan(array.events_per_s / 2);
  expect(array.ratio).toBeCloseTo(array.events_per_s / ((ceilingBefore + ceilingAfter) / 2), 2);
  expect(array.ratio_of).toBe('ceiling');
}, 120_000);

test('an answer that is wrong is found, however fast it was', async () => {
  const system = await startSystem();
  try {
    const looked = { query: system.queryAddress, database: system.database };
    const copies = planCopies(300, 0.2, 'bench');
    const events = new Set(copies.map(({ eventId, topic }) => `${topic}/${eventId}`)).size;
    await sendAll(copies, { connections: 2, batchSize: 50, makeClient: system.ingest });
    await drained(system, 1);
    expect(await problemsOf(looked, 300, events)).toEqual([]);
    expect(await problemsOf(looked, 301, events)).toContainEqual('301 copies were answered, 300 were received');
    expect(await problemsOf(looked, 300, events + 1)).toContainEqual(
      `${events + 1} events were sent, ${events} are stored`,
    );
    await system.database.pool.query('delete from events where position = (select max(position) from events)');
    const problems = await problemsOf(looked, 300, events);
    expect(problems).toContainEqual(`${events} events are to be kept, the table holds ${events - 1}`);
  } finally {
    await system.stop();
  }
}, 60_000);

test('each copy of a template is an event of its own, under the id that a reader asks for', () => {
  const ids = newIdShape();
  const numbers = numbersWith(0);
  const template = grpcTemplate(100, 'struct', false, ids);
  const sent = [0, 1].flatMap(() => PublishRequest.decode(fill(template, numbers.next)).events);
  expect(sent.map(({ eventId }) => eventId)).toEqual(sent.map((_, number) => idOf(number, ids)));
  const bodies = [0, 1].flatMap(() => JSON.parse(fill(httpTemplate(50, ids), numbers.next).toString()));
  expect(bodies.map(({ event_id: id }) => id)).toEqual(bodies.map((_, index) => idOf(200 + index, ids)));
  expect(JSON.parse(fill(httpTemplate(1, ids), () => 7).toString())).toMatchObject({ event_id: idOf(7, ids) });
});

test.each([0, 0.2, 0.3, 1])('exactly the share %d of the copies repeats another one, with all that it has', (share) => {
  const ids = newIdShape();
  const template = grpcTemplate(100, 'json', false, ids);
  const before = numbersWith(0);
  const earlier = Array.from({ length: 10 }, () => fill(template, before.next));
  const numbers = numbersWith(share, before.nextRound());
  const calls = Array.from({ length: 100 }, () => fill(template, numbers.next));
  const contentOf = (bytes: Buffer) =>
    PublishRequest.decode(bytes).events.map(({ topic, eventId, source }) => [topic, eventId, source].join());
  const first = new Set(earlier.flatMap(contentOf));
  const all = new Set([...first, ...calls.flatMap(contentOf)]);
  expect(first.size).toBe(1000);
  expect(all.size).toBe(1000 + 10_000 - 10_000 * share);
  expect(numbers.fresh()).toBe(10_000 - 10_000 * share);
  // An id alone is as good as all of it.
  expect(new Set([...all].map((content) => content.split(',')[1])).size).toBe(all.size);
});

test('a gRPC load sends whole requests, reads answers of any size, and says what a refused call was refused for', async () => {
  const refusal = { code: status.RESOURCE_EXHAUSTED, details: 'no room, 100 % full' };
  const requests: PublishRequest[] = [];
  let refuses = false;
  const publish = ({ request }: { request: PublishRequest }, answer: sendUnaryData<PublishResponse>) => {
    requests.push(request);
    if (refuses) return answer(refusal);
    const results = request.events.map(({ topic, eventId }) => ({ topic, eventId: eventId.repeat(10) }));
    answer(null, PublishResponse.fromPartial({ received: results.length, duplicates: 7, results }));
  };
  const server = new Server();
  server.addService({ publish: IngestServiceService.publish } as never, { publish } as never);
  const address = '127.0.0.1:0';
  const port = await new Promise((resolve) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (_, at) => resolve(at)),
  );
  const plan = {
    target: `127.0.0.1:${port}`,
    batch: 1000,
    connections: 2,
    payload: 'json',
    ids: newIdShape(),
  } as never;
  const door = openGrpcDoor(plan);
  const { next } = numbersWith(0);
  try {
    const answers = await Promise.all([0, 1, 2].map((lane) => door.send(lane, next)));
    expect(answers).toEqual(Array.from({ length: 3 }, () => ({ received: 1000, duplicates: 7 })));
    expect(new Set(requests.flatMap(({ events }) => events.map(({ eventId }) => eventId))).size).toBe(3000);
    refuses = true;
    await expect(door.send(0, next)).rejects.toThrow(`grpc-status ${refusal.code}: ${refusal.details}`);
    server.forceShutdown();
    await expect(door.send(1, next)).rejects.toThrow();
  } finally {
    door.close();
    server.forceShutdown();
  }
});

test('percentiles are those of all values, in whatever order they came', () => {
  const latencies = createLatencies();
  for (let i = 0; i < 100_000; i++) latencies.add(((i * 7_919) % 100_000) + 1);
  expect(latencies.percentiles()).toEqual({ p50Ms: 50_000, p95Ms: 95_000, p99Ms: 99_000 });
});

test('flags: wrong ones are named, names of cases are the catalog’s', async () => {
  expect(readBenchOptions([])).toEqual({ only: undefined, json: undefined, profile: undefined, seconds: 12 });
  expect(readBenchOptions(['--only', 'growth, disk'])?.only).toEqual(new Set(['growth', 'disk']));
  expect(() => readBenchOptions(['--only', 'growht'])).toThrow('"growht", which is no case');
  expect(() => readBenchOptions(['--seconds', '0'])).toThrow('--seconds is "0"');
  expect(() => readBenchOptions(['--sceonds', '1'])).toThrow('--sceonds');
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  const { code, output } = await run(['--help']);
  expect(code).toBe(0);
  for (const { name } of cases) expect(output).toContain(`\n  ${name} `);
  expect((await run(['--only', 'nothing'])).code).toBe(2);
});

test('what does not apply to a case is null, and what is not exact says why', () => {
  const machine = { cpu: 'x', cores: 2, memoryGb: 1, system: 's', node: 'n', postgres: 'p', nats: 'q' };
  const [first] = JSON.parse(toJson(machine, [{ name: 'a', exact: false, problems: ['lost one'] }])).cases;
  expect(first).toMatchObject({ events_per_s: null, ratio: null, p99_ms: null, exact: false, problems: ['lost one'] });
});
