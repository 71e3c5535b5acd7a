import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '@eventsieve/client';
import { freePort } from '@eventsieve/embedded/free-port';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { linesOf, run, start, startOnTerminal } from './support/command-line.js';
import { drained } from './support/exactness.js';
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

test.each([
  'tail',
  'events',
  'get a b',
  'stats',
  'stats --watch',
  'stats --by topic',
  'duplicates',
  'dead-letters list',
  'dead-letters discard 1',
  'reconcile',
])('%s at a server that is not there is one line, and exit code 3', async (words) => {
  const nobody = `127.0.0.1:${await freePort()}`;
  const { code, stdout, stderr } = await run([...words.split(' '), '--query', nobody]);
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  expect(stderr).toMatch(new RegExp(`^UNAVAILABLE: ${nobody} cannot be reached: .*ECONNREFUSED.*\n$`));
});

test('flags go before variables, and variables before a .env file in the current folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cli-'));
  try {
    writeFileSync(join(folder, '.env'), 'QUERY_URL=file.invalid:1\nGATEWAY_URL=file.invalid:2\n');
    const addresses = async (args: string[], environment = {}) => {
      const { stdout } = await run(['health', '--json', ...args], { cwd: folder, environment });
      const { gateway, query } = JSON.parse(stdout) as Record<string, { address: string }>;
      return [gateway?.address, query?.address];
    };
    expect(await addresses([])).toEqual(['file.invalid:2', 'file.invalid:1']);
    const environment = { QUERY_URL: 'variable.invalid:3' };
    expect(await addresses([], environment)).toEqual(['file.invalid:2', 'variable.invalid:3']);
    expect(await addresses(['--query', 'flag.invalid:4'], environment)).toEqual(['file.invalid:2', 'flag.invalid:4']);
    rmSync(join(folder, '.env'));
    mkdirSync(join(folder, '.env'));
    const { code, stderr } = await run(['health'], { cwd: folder });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^The \.env file .* EISDIR.*\n$/) });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const hasScript = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false;
const esc = '\u001b';
const withoutColours = (text: string) => text.replace(new RegExp(`${esc}\\[[\\d;]*m`, 'g'), '');

test.runIf(hasScript)('on a terminal events have columns and colours, and are cut to its width', async () => {
  const source = 'a source';
  await client.publish({ topic: 'wide', eventId: 'w-1', source, payload: { text: '日本語'.repeat(20) } });
  await client.publish({ topic: 'wide', eventId: 'longer-2', source, payload: {} });
  const shown = await startOnTerminal(['events', '--topic', 'wide', ...at], { columns: 72 }).ended;
  expect(shown.code).toBe(0);
  const lines = withoutColours(shown.stdout).split('\r\n').slice(0, -1);
  expect(lines).toEqual([
    expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}wide {2}w-1 {2}a source {2}\{"text": "日本語日本.*…$/),
    expect.stringMatching(/Z {2}wide {2}longer-2 {2}a source {2}\{\}$/),
  ]);
  const wideOnes = lines[0]?.match(/[日本語]/g)?.length ?? 0;
  expect((lines[0]?.length ?? 0) + wideOnes).toBeGreaterThanOrEqual(71);
  expect((lines[0]?.length ?? 0) + wideOnes).toBeLessThanOrEqual(72);
  expect(shown.stdout).toContain(`${esc}[36mwide${esc}[39m`);
  const plain = await startOnTerminal(['events', '--topic', 'wide', ...at], { environment: { NO_COLOR: '1' } }).ended;
  expect(plain.stdout).not.toContain(esc);
});

test.runIf(hasScript)(
  'on a terminal stats --watch is a table that is written over, and Ctrl-C leaves the last one',
  async () => {
    const watch = startOnTerminal(['stats', '--watch', '--interval', '100ms', ...at]);
    await waitUntil('it is written over', () => new RegExp(`${esc}\\[\\d+A`).test(watch.stdout()));
    const tables = () => watch.stdout().split('Ctrl-C ends it').length;
    const before = await client.stats();
    await client.publish(Array.from({ length: 7 }, () => ({ topic: 'live', source: 'tests' })));
    await drained(system);
    await waitUntil('the count is shown', () => watch.stdout().includes(` ${before.lifetime.received + 7} `));
    const seen = tables();
    await waitUntil('again', () => tables() > seen);
    watch.child.stdin?.write('\u0003');
    const { code, stdout } = await watch.ended;
    expect(code).toBe(130);
    expect(stdout).toMatch(/received +\d+ +\d+ +[\d.]+/);
    // The cursor is back, below the table.
    expect(stdout.lastIndexOf(`${esc}[?25h`)).toBeGreaterThan(stdout.lastIndexOf(`${esc}[?25l`));
    expect(stdout.trimEnd().endsWith(`${esc}[?25h`)).toBe(true);
  },
);

test.runIf(hasScript)('on a terminal tail ends by Ctrl-C with what it has to say', async () => {
  const tail = startOnTerminal(['tail', '--topic', 'typed', ...at]);
  await waitUntil('it follows', async () => {
    await client.publish({ topic: 'typed', source: 'probes' });
    return tail.stdout().includes('probes');
  });
  tail.child.stdin?.write('\u0003');
  const { code, stdout } = await tail.ended;
  expect(code).toBe(130);
  expect(stdout).toMatch(/go on with: --from [\w-]+\r\n$/);
});

test('bash completes commands, flags, choices and files by the script', async () => {
  const { stdout: script } = await run(['completion', 'bash']);
  const folder = mkdtempSync(join(tmpdir(), 'cli-'));
  try {
    writeFileSync(join(folder, 'ca.pem'), '');
    const complete = (...words: string[]) => {
      const line = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _eventsieve; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const text = execFileSync('bash', ['-c', line, 'bash', 'eventsieve', ...words], {
        cwd: folder,
        encoding: 'utf8',
      });
      return linesOf(text).filter((word) => word !== '');
    };
    expect(complete('dea')).toEqual(['dead-letters']);
    expect(complete('dead-letters', '')).toEqual(['list', 'show', 'redrive', 'discard']);
    expect(complete('dead-letters', 'list', '--sta')).toEqual(['--state']);
    expect(complete('dead-letters', 'list', '--state', '')).toEqual(['open', 'redriven', 'discarded']);
    expect(complete('tail', '--ca', 'c')).toEqual(['ca.pem']);
    expect(complete('tail', '--topic', '')).toEqual([]);
    expect(complete('completion', 'f')).toEqual(['fish']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each(['zsh', 'fish'])('%s has a script with every command and its flags', async (shell) => {
  const { stdout, code } = await run(['completion', shell]);
  expect(code).toBe(0);
  for (const word of ['tail', 'dead-letters', 'redrive', 'dry-run', 'topic-exact', 'open', 'api-key']) {
    expect(stdout).toContain(word);
  }
  // Where that shell can be had, it reads the script.
  const checked = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
  if (checked.error === undefined) expect(checked).toMatchObject({ status: 0, stderr: '' });
});

test('Ctrl-C ends a call that is not answered', async () => {
  // It takes connections, and never says a word.
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const stuck = start(['events', '--query', `127.0.0.1:${port}`, '--timeout', '10m']);
  await once(silent, 'connection');
  stuck.child.kill('SIGINT');
  expect(await stuck.ended).toMatchObject({ code: 130, stdout: '', stderr: '' });
  silent.close();
});

test('a second Ctrl-C ends at once what the first one did not', async () => {
  const module = new URL('../packages/cli/dist/interrupts.js', import.meta.url).href;
  const program = `const { interrupts } = await import(${JSON.stringify(module)});
    interrupts()().addEventListener('abort', () => console.log('first'));
    setInterval(() => undefined, 1000);
    console.log('begun');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
  let said = '';
  child.stdout.on('data', (bytes) => {
    said += bytes;
  });
  await waitUntil('it has begun', () => said === 'begun\n');
  child.kill('SIGINT');
  await waitUntil('it has heard', () => said === 'begun\nfirst\n');
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([130, null]);
});
