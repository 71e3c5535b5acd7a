import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import { auditedTotals, drained } from './support/exactness.js';
import { addressesOf, example, keptOf, leaveOut, loseFirstAnswer, onPath, run } from './support/examples.js';
import { findGrpcurl } from './support/find-grpcurl.js';
import { type System, startSystem } from './support/system.js';

const root = fileURLToPath(new URL('..', import.meta.url));

let system: System;
let grpcurl: Awaited<ReturnType<typeof findGrpcurl>>;
beforeAll(async () => {
  grpcurl = await findGrpcurl();
  system = await startSystem();
}, 500_000);
afterAll(async () => {
  // Whatever the examples did is counted right.
  await drained(system);
  await auditedTotals(system.database);
  await system.stop();
});

const threeOrders = (id: string) => [
  { topic: 'orders', eventId: id, payload: { total: 12.5 } },
  { topic: 'orders', eventId: `${id}-b`, payload: { total: 7 } },
  { topic: 'orders', eventId: `${id}-c`, payload: { total: 8 } },
];

/** Of one run, whose ids begin alike. */
async function keptOfRun(source: string, id: string) {
  return (await keptOf(system, source)).filter(({ eventId }) => eventId.startsWith(id));
}

/** What curl/publish.sh says of each request: its own words, the status, and the outcomes in the answer. */
const saidByCurl = (stdout: string) =>
  [...stdout.matchAll(/^(.*?): (.*)\n {2}HTTP (\d+) (.*)$/gm)].map(([, what, means, status, body = '']) => ({
    what,
    means: /^(?:an? )?(\w+)/.exec(means ?? '')?.[1],
    status: Number(status),
    outcomes: (JSON.parse(body) as { results: { outcome: string }[] }).results.map(({ outcome }) => outcome),
  }));

const runCurl = (id: string, environment: Record<string, string> = addressesOf(system)) =>
  run('sh', [example('curl/publish.sh'), id], { environment });

const saidOfRepeats = [
  { what: 'the same again', means: 'duplicate', status: 200, outcomes: ['duplicate'] },
  { what: 'another under its id', means: 'conflict', status: 409, outcomes: ['conflict'] },
];

test('the README names every example', () => {
  const files = readdirSync(example(''), { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && /\.(sh|mjs|js|ps1|py)$/.test(each.name) && !each.parentPath.includes('stubs'))
    .map((each) => join(each.parentPath, each.name).slice(example('').length));
  expect(files.length).toBeGreaterThan(8);
  const readme = readFileSync(example('README.md'), 'utf8');
  expect(files.filter((path) => !readme.includes(path))).toEqual([]);
});

test('curl/publish.sh publishes, repeats, conflicts and reads; run again with its id it stores nothing', async () => {
  const { code, stdout, stderr } = await runCurl('curl-1');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(saidByCurl(stdout)).toEqual([
    { what: 'an event', means: 'stored', status: 201, outcomes: ['stored'] },
    ...saidOfRepeats,
    {
      what: 'a batch of one old, two new',
      means: 'duplicate',
      status: 200,
      outcomes: ['duplicate', 'stored', 'stored'],
    },
  ]);
  const [one, list] = stdout
    .trim()
    .split('\n')
    .slice(-2)
    .map((line) => JSON.parse(line));
  expect(one).toMatchObject({ status: 'stored', event_id: 'curl-1', payload: { total: 12.5 } });
  expect(list.events.map((event: { event_id: string }) => event.event_id)).toEqual(['curl-1-c', 'curl-1-b', 'curl-1']);
  expect(await keptOfRun('curl-example', 'curl-1')).toEqual(threeOrders('curl-1'));

  const again = saidByCurl((await runCurl('curl-1')).stdout).map(({ outcomes }) => outcomes);
  expect(again).toEqual([['duplicate'], ['duplicate'], ['conflict'], ['duplicate', 'duplicate', 'duplicate']]);
  expect(await keptOfRun('curl-example', 'curl-1')).toEqual(threeOrders('curl-1'));
});

test('curl/publish.sh sends again when an answer is lost, and the event is stored once', async () => {
  const proxy = await loseFirstAnswer(system.http, 'curl-2');
  const { code, stdout } = await runCurl('curl-2', { TARGET_URL: `http://127.0.0.1:${proxy.port}/publish` });
  await proxy.stop();
  expect({ code, lost: proxy.lost() }).toEqual({ code: 0, lost: true });
  const [first, ...rest] = saidByCurl(stdout);
  expect(first).toEqual({ what: 'an event', means: 'duplicate', status: 200, outcomes: ['duplicate'] });
  expect(rest.slice(0, 2)).toEqual(saidOfRepeats);
  expect(await keptOfRun('curl-example', 'curl-2')).toEqual(threeOrders('curl-2'));
});

test('curl/publish.sh waits as long as a busy server wants, and tells the last answer only', async () => {
  const asked: number[] = [];
  const bridge = createServer(async (request, response) => {
    asked.push(Date.now());
    const body = (await buffer(request)).toString();
    const { method = '', headers, url = '' } = request;
    if (asked.length === 1) {
      response.writeHead(503, { 'retry-after': '2' }).end('{"error": {"code": "unavailable", "message": "busy"}}');
      return;
    }
    const given = method === 'POST' ? { body, headers: { 'content-type': String(headers['content-type']) } } : {};
    const answer = await fetch(`${system.http}${url}`, { method, ...given });
    response.writeHead(answer.status).end(await answer.text());
  });
  await new Promise<void>((resolve) => bridge.listen(0, '127.0.0.1', resolve));
  const { port } = bridge.address() as AddressInfo;
  const { code, stdout } = await runCurl('curl-4', { TARGET_URL: `http://127.0.0.1:${port}` });
  bridge.close();
  expect(code).toBe(0);
  expect(saidByCurl(stdout)[0]).toEqual({ what: 'an event', means: 'stored', status: 201, outcomes: ['stored'] });
  // What curl takes for two seconds.
  expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeGreaterThan(1_900);
  expect(await keptOfRun('curl-example', 'curl-4')).toEqual(threeOrders('curl-4'));
});

test('curl/publish.sh ends with what is wrong when an event is refused', async () => {
  const id = `curl-3${'x'.repeat(255)}`;
  const { code, stdout } = await runCurl(id);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^an event: refused, and nothing was taken.*\n {2}HTTP 400 .*event_id.*\n$/);
  expect(await keptOfRun('curl-example', 'curl-3')).toEqual([]);
});

async function runGrpcurl(context: TestContext, id: string, environment: Record<string, string> = {}) {
  const { path, missing } = grpcurl;
  if (path === undefined) leaveOut(context, missing ?? '');
  const ran = await run('sh', [example('grpcurl/publish.sh'), id], {
    environment: { ...addressesOf(system), ...onPath(path), ...environment },
  });
  return { ...ran, outcomes: [...ran.stdout.matchAll(/"outcome": "OUTCOME_(\w+)"/g)].map(([, outcome]) => outcome) };
}

test('grpcurl/publish.sh publishes, repeats, conflicts and reads, by reflection and by the .proto files', async (context) => {
  const { code, stdout, stderr, outcomes } = await runGrpcurl(context, 'grpcurl-1');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(outcomes).toEqual(['STORED', 'DUPLICATE', 'CONFLICT']);
  expect(stdout).toContain('rpc Publish ( .eventsieve.v1.PublishRequest )');
  expect(stdout).toMatch(/"status": "EVENT_STATUS_STORED"[\s\S]*"events": \[[\s\S]*"uniqueProcessed"/);
  expect(await keptOfRun('grpcurl-example', 'grpcurl-1')).toEqual(threeOrders('grpcurl-1').slice(0, 1));
});

test('grpcurl/publish.sh sends again when an answer is lost, and the event is stored once', async (context) => {
  const proxy = await loseFirstAnswer(system.gatewayAddress, 'grpcurl-2');
  const { code, outcomes } = await runGrpcurl(context, 'grpcurl-2', { GATEWAY_URL: `127.0.0.1:${proxy.port}` });
  await proxy.stop();
  expect({ code, lost: proxy.lost() }).toEqual({ code: 0, lost: true });
  expect(outcomes).toEqual(['DUPLICATE', 'DUPLICATE', 'CONFLICT']);
  expect(await keptOfRun('grpcurl-example', 'grpcurl-2')).toEqual(threeOrders('grpcurl-2').slice(0, 1));
});

const runProducer = (topic: string, input: string, environment: Record<string, string> = addressesOf(system)) =>
  run(process.execPath, [example('sdk/producer.mjs'), topic], { input, environment });

async function linesKept(topic: string) {
  const kept = await keptOf(system, 'sdk-example');
  return kept.filter((event) => event.topic === topic).map(({ payload }) => payload.text);
}

test('sdk/producer.mjs prints the verdict of each line, and a line sent by another process is the same event', async () => {
  const { code, stdout, stderr } = await runProducer('lines', 'one\ntwo\none\n');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.split('\n').slice(0, 3).sort()).toEqual(['duplicate one', 'stored one', 'stored two']);
  expect(stdout).toMatch(/\ndone \{.*\}\n$/);
  expect((await runProducer('lines', 'two\nthree')).stdout.split('\n').sort()).toEqual(
    expect.arrayContaining(['duplicate two', 'stored three']),
  );
  expect((await linesKept('lines')).sort()).toEqual(['one', 'three', 'two']);
});

test('sdk/producer.mjs sends again when an answer is lost, and the line is stored once', async () => {
  const proxy = await loseFirstAnswer(system.gatewayAddress, 'lost-lines');
  const environment = { GATEWAY_URL: `127.0.0.1:${proxy.port}` };
  const { code, stdout } = await runProducer('lost-lines', 'one\n', environment);
  await proxy.stop();
  expect({ code, lost: proxy.lost() }).toEqual({ code: 0, lost: true });
  expect(stdout).toMatch(/^done \{ duplicate: 1 \}$/m);
  expect(await linesKept('lost-lines')).toEqual(['one']);
});

test('sdk/producer.mjs says of a line that was not taken why, and ends with 1', async () => {
  const { code, stdout } = await runProducer('lines\n', 'one\n');
  expect(code).toBe(1);
  expect(stdout).toMatch(/^failed one \(INVALID_ARGUMENT: topic.*\)\ndone \{ failed: 1 \}\n$/);
});

test('those of the client run in a folder that has nothing but its tarball', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-examples-'));
  try {
    const packed = await run(process.execPath, [join(root, 'packages/sdk/pack.mjs'), folder]);
    expect(packed).toMatchObject({ code: 0 });
    await run('npm', ['init', '-y'], { cwd: folder });
    const flags = ['--prefer-offline', '--no-audit', '--no-fund'];
    expect(await run('npm', ['install', packed.stdout.trim(), ...flags], { cwd: folder })).toMatchObject({ code: 0 });
    cpSync(example('sdk/producer.mjs'), join(folder, 'producer.mjs'));
    const options = { cwd: folder, input: 'one\none\n', environment: addressesOf(system) };
    const { code, stdout } = await run(process.execPath, ['producer.mjs', 'outside'], options);
    expect({ code, lines: stdout.split('\n').slice(0, 2).sort() }).toEqual({
      code: 0,
      lines: ['duplicate one', 'stored one'],
    });
    expect(await linesKept('outside')).toEqual(['one']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);

test('powershell/publish.ps1 publishes, repeats, conflicts and reads', async (context) => {
  if ((await run('pwsh', ['-Version'])).code !== 0) leaveOut(context, 'there is no pwsh on the PATH');
  const args = ['-NoProfile', '-File', example('powershell/publish.ps1'), 'powershell-1'];
  const { code, stdout } = await run('pwsh', args, { environment: addressesOf(system) });
  expect(code).toBe(0);
  const statuses = [...stdout.matchAll(/: HTTP (\d+), /g)].map(([, status]) => Number(status));
  expect(statuses).toEqual([201, 200, 409, 200]);
  expect(await keptOfRun('powershell-example', 'powershell-1')).toEqual(threeOrders('powershell-1'));
});

test('k6/publish.js repeats three of ten, finds every verdict right, and the store agrees with its counts', async (context) => {
  if ((await run('k6', ['version'])).code !== 0) leaveOut(context, 'there is no k6 on the PATH');
  const args = ['run', '--no-usage-report', '--vus', '5', '--iterations', '300', example('k6/publish.js')];
  const { code, stdout, stderr } = await run('k6', args, { environment: addressesOf(system) });
  expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
  const counted = (name: string) => Number(new RegExp(`${name}\\.*: (\\d+)`).exec(stdout)?.[1]);
  const stored = counted('events_stored');
  expect(stored + counted('events_duplicate')).toBe(300);
  expect(counted('events_duplicate') / 300).toBeCloseTo(0.3, 1);
  expect(await keptOf(system, 'k6-example')).toHaveLength(stored);
}, 300_000);
