import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import { auditedTotals, drained } from './support/exactness.js';
import { addressesOf, example, follow, keptOf, leaveOut, loseFirstAnswer, run } from './support/examples.js';
import { expectFollows, publishTo } from './support/expect-follows.js';
import { type System, startSystem } from './support/system.js';

const windows = process.platform === 'win32';
const hostPython = windows ? 'python' : 'python3';
const noNetwork = /NewConnectionError|NameResolutionError|ConnectTimeout|Max retries exceeded|Network is unreachable/;

let system: System;
let folder: string;
let python: string;
/** Why nothing of it can be run here. */
let missing: string | undefined;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-examples-'));
  python = join(folder, windows ? 'Scripts/python.exe' : 'bin/python');
  [system, missing] = await Promise.all([startSystem(), prepare()]);
}, 300_000);
afterAll(async () => {
  await drained(system);
  await auditedTotals(system.database);
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What examples/README.md says to do first. */
async function prepare(): Promise<string | undefined> {
  const made = await run(hostPython, ['-m', 'venv', folder]);
  if (made.code !== 0)
    return `no ${hostPython} that makes a venv: ${(made.stderr || made.stdout).trim().split('\n').at(-1)}`;
  const install = ['-m', 'pip', 'install', '--quiet', '--retries', '1', '-r', example('python/requirements.txt')];
  const installed = await run(python, install, { timeoutMs: 200_000 });
  if (installed.code !== 0 && noNetwork.test(installed.stderr)) return 'the packages cannot be had: no network';
  expect({ what: 'pip install', ...installed }).toMatchObject({ code: 0 });
  expect({ what: 'generate.py', ...(await run(python, [example('python/generate.py')])) }).toMatchObject({ code: 0 });
  return undefined;
}

async function runPublisher(context: TestContext, id: string, environment: Record<string, string> = {}) {
  if (missing !== undefined) leaveOut(context, missing);
  const ran = await run(python, [example('python/publish.py'), id], {
    environment: { ...addressesOf(system), ...environment },
  });
  const kept = (await keptOf(system, 'python-example')).filter(({ eventId }) => eventId.startsWith(id));
  return {
    ...ran,
    said: ran.stdout
      .split('\n')
      .slice(0, 6)
      .map((line) => line.replace(/,.*/, '')),
    kept,
  };
}

const threeOrders = (id: string) => [
  { topic: 'orders', eventId: id, payload: { total: 12.5 } },
  { topic: 'orders', eventId: `${id}-b`, payload: { total: 7 } },
  { topic: 'orders', eventId: `${id}-c`, payload: { total: 8 } },
];

const saidAfterTheFirst = (id: string) => [
  `the same again: ${id} OUTCOME_DUPLICATE`,
  `another under its id: ${id} OUTCOME_CONFLICT`,
  `a batch: ${id} OUTCOME_DUPLICATE`,
  `a batch: ${id}-b OUTCOME_STORED`,
  `a batch: ${id}-c OUTCOME_STORED`,
];

test('python/publish.py publishes, repeats, conflicts and lists', async (context) => {
  const { code, stdout, stderr, said, kept } = await runPublisher(context, 'python-1');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(said).toEqual(['an order: python-1 OUTCOME_STORED', ...saidAfterTheFirst('python-1')]);
  expect(stdout).not.toContain('see ingest.proto');
  const listed = [...stdout.matchAll(/^kept: \d+ (\S+) (.*)$/gm)];
  expect(
    listed.map(([, eventId, payload = '']) => ({ topic: 'orders', eventId, payload: JSON.parse(payload) })),
  ).toEqual(threeOrders('python-1'));
  expect(kept).toEqual(threeOrders('python-1'));
});

test('python/publish.py sends again when an answer is lost, and the event is stored once', async (context) => {
  const proxy = await loseFirstAnswer(system.gatewayAddress, 'python-2');
  const { code, stderr, said, kept } = await runPublisher(context, 'python-2', {
    GATEWAY_URL: `127.0.0.1:${proxy.port}`,
  });
  await proxy.stop();
  expect({ code, lost: proxy.lost() }).toEqual({ code: 0, lost: true });
  expect(stderr).toMatch(/^UNAVAILABLE: .*; sending it again$/m);
  expect(said).toEqual(['an order: python-2 OUTCOME_DUPLICATE', ...saidAfterTheFirst('python-2')]);
  expect(kept).toEqual(threeOrders('python-2'));
});

test('python/publish.py ends with what is wrong when an event is refused', async (context) => {
  const { code, stderr, kept } = await runPublisher(context, `python-3${'x'.repeat(255)}`);
  expect(code).toBe(1);
  expect(stderr).toMatch(/INVALID_ARGUMENT[\s\S]*event_id/);
  expect(kept).toEqual([]);
});

test('python/tail.py gives each event once, through a broken connection and a new start', async (context) => {
  if (missing !== undefined) leaveOut(context, missing);
  const file = join(folder, 'python.cursor');
  const args = [example('python/tail.py'), 'tailed', file];
  await publishTo(system, 'other', ['o-1']);
  await expectFollows(system, {
    address: system.queryAddress,
    topic: 'tailed',
    file,
    start: (port) => follow(python, args, { environment: { QUERY_URL: `127.0.0.1:${port}` } }),
    idOf: (line) => line.split(' ')[1] ?? '',
  });
});
