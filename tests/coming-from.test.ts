import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const run = promisify(execFile);
const document = readFileSync(fileURLToPath(new URL('../docs/coming-from.md', import.meta.url)), 'utf8');

interface Step {
  readonly command: string;
  readonly status: number;
  /** A part of the body. */
  readonly body: unknown;
}

interface Section {
  readonly blocks: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

function sectionOf(title: string): Section {
  const text = document.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
  const start = blocks.find((block) => block.trim().endsWith('npm start')) ?? '';
  const environment = Object.fromEntries(
    [...start.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  );
  return { blocks, environment, steps: blocks.flatMap(stepsOf) };
}

/** A command, and the line after it: `# 201 {"received": 1, "uptime": …}`. */
function stepsOf(block: string): Step[] {
  return [...block.matchAll(/^(curl [\s\S]*?)\n# (\d{3}) (.*)$/gm)].map(([, command = '', status, body = '']) => ({
    command,
    status: Number(status),
    body: expected(JSON.parse(body.replaceAll('…', '"…"'))),
  }));
}

/** An array is met by one that has these elements, each with these members, and no others. */
function expected(value: unknown): unknown {
  if (value === '…') return expect.anything();
  if (Array.isArray(value)) return value.map(expected);
  if (typeof value !== 'object' || value === null) return value;
  return expect.objectContaining(Object.fromEntries(Object.entries(value).map(([key, each]) => [key, expected(each)])));
}

let system: System | undefined;

afterEach(async () => {
  await system?.stop();
  system = undefined;
});

async function start(environment: Readonly<Record<string, string>> = {}): Promise<System> {
  // The port is the document's; the system has one of its own.
  const { HTTP_PORT: _, WORKERS: workers = '1', ...rest } = environment;
  system = await startSystem({ workers: Number(workers), environment: rest });
  return system;
}

const atSystem = (command: string, { http }: System) => command.replaceAll(/http:\/\/localhost:\d+/g, http);

async function runStep({ command }: Step, at: System): Promise<{ status: number; body: unknown }> {
  const script = `${atSystem(command, at).replace(/^curl /, "curl -s -w '\\n%{http_code}' ")}`;
  const { stdout } = await run('sh', ['-c', script]);
  const end = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(end + 1)), body: JSON.parse(stdout.slice(0, end)) };
}

const kinds = [
  'Flask and SQLite',
  'FastAPI and SQLite',
  'An asyncio queue in one process',
  'FastAPI and Postgres',
  'FastAPI, Redis and Postgres',
];

for (const kind of kinds) {
  test(`every line documented for "${kind}" gets what the document says`, async () => {
    const { environment, steps } = sectionOf(kind);
    const commands = steps.map(({ command }) => command).join('\n');
    for (const part of [
      '-d \'{\n    "topic"|-d \'{"topic"',
      '{"events": \\[|-d \'\\[',
      '/events',
      'limit=',
      '/stats$',
      '/stats/reset',
      '/health',
    ]) {
      expect(commands, part).toMatch(new RegExp(part, 'm'));
    }
    const at = await start(environment);
    for (const step of steps) {
      // The second worker of two may be the one that stores: what waits is waited for.
      if (/\/(stats|events|health)/.test(step.command)) await nothingWaits(at);
      expect(await runStep(step, at), step.command).toEqual({ status: step.status, body: step.body });
    }
    const docs = await fetch(`${at.http}/docs`);
    if (docs.status !== 404) expect(docs.status).toBe(200);
  });
}

async function nothingWaits({ http }: System): Promise<void> {
  await waitUntil('nothing waits', async () => {
    const { in_flight: inFlight } = (await (await fetch(`${http}/stats`)).json()) as { in_flight: number };
    return inFlight === 0;
  });
}

test('every curl line in the document says what it gets, or brings rows over', () => {
  const lines = [...document.matchAll(/^curl /gm)].length;
  expect(kinds.flatMap((kind) => sectionOf(kind).steps)).toHaveLength(lines);
});

test('statistics have the fields and kinds of values that the five systems show', async () => {
  const { http } = await start();
  const stats = (await (await fetch(`${http}/stats`)).json()) as Record<string, unknown>;
  expect(stats).toMatchObject({
    received: 0,
    received_count: 0,
    unique_processed: 0,
    duplicate_dropped: 0,
    deduplication_rate: 0,
    topics: [],
    queue_size: 0,
    uptime: expect.any(Number),
    uptime_seconds: expect.any(Number),
    uptime_human: expect.stringMatching(/^\d+h \d+m \d+s$/),
  });
});

const event = { topic: 'auth', event_id: 'evt-1', timestamp: '2025-10-24T10:00:00Z', source: 'svc', payload: { n: 1 } };

async function publish({ http }: System, body: unknown): Promise<number> {
  const response = await fetch(`${http}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  return response.status;
}

test('a loop that ends on 201 or 409 ends with DUPLICATE_STATUS=409, also when the first answer was lost', async () => {
  const at = await start({ DUPLICATE_STATUS: '409' });
  async function sendUntilTaken(): Promise<number[]> {
    const seen: number[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      const status = await publish(at, event);
      seen.push(status);
      if (status === 201 || status === 409) break;
    }
    return seen;
  }
  expect(await sendUntilTaken()).toEqual([201]);
  expect(await sendUntilTaken()).toEqual([409]);
});

test('a load that takes only 200, 201 and 202 for success sees no failure on repeats with the default', async () => {
  const at = await start();
  const statuses = new Map<number, number>();
  const users = Array.from({ length: 10 }, async (_, user) => {
    for (let turn = 0; turn < 30; turn++) {
      // Every third one repeats what somebody sent before, or sends at this moment.
      const event_id = turn % 3 === 0 ? `shared-${turn}` : `u${user}-${turn}`;
      const one = { ...event, event_id };
      const status = await publish(at, turn % 5 === 0 ? [one, one] : one);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  });
  await Promise.all(users);
  expect([...statuses.keys()].filter((status) => ![200, 201, 202].includes(status))).toEqual([]);
  expect([...statuses.values()].reduce((a, b) => a + b)).toBe(300);
  await nothingWaits(at);
  const stats = (await (await fetch(`${at.http}/stats`)).json()) as Record<string, number>;
  expect(stats).toMatchObject({ received: 360, unique_processed: 210, duplicate_dropped: 150 });
});

test('rows of a SQLite file come over by the documented commands, and a second run stores nothing twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'docs-import-'));
  try {
    const at = await start();
    const rows = 2500;
    // As SQLite's export writes them; every line is an event, whatever stands in its payload.
    const lines = Array.from({ length: rows }, (_, n) =>
      JSON.stringify({ ...event, event_id: `old-${n}`, payload: { n, text: `it's "line" ${n}, [x]\n` } }),
    );
    writeFileSync(join(folder, 'events.ndjson'), `${lines.join('\n')}\n`);
    const [, , post = ''] = sectionOf('Bringing old rows over').blocks;
    for (const turn of [1, 2]) {
      await run('sh', ['-ec', atSystem(post, at)], { cwd: folder, maxBuffer: 16 * 1024 ** 2 });
      const stats = await (await fetch(`${at.http}/stats`)).json();
      expect(stats).toMatchObject({
        received: rows * turn,
        unique_processed: rows,
        duplicate_dropped: rows * (turn - 1),
        conflicts: 0,
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
