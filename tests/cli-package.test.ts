import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem } from './support/system.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const shell = process.platform === 'win32';

let folder: string;
let system: System;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-cli-'));
  system = await startSystem();
  const { stdout } = await run(process.execPath, [join(root, 'packages/cli/pack.mjs'), folder]);
  const args = ['install', stdout.trim(), '--prefer-offline', '--no-audit', '--no-fund'];
  await run('npm', ['init', '-y'], { cwd: folder, shell });
  await run('npm', args, { cwd: folder, shell });
}, 300_000);
afterAll(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const npx = async (...args: string[]) => {
  const at = ['--gateway', system.gatewayAddress, '--query', system.queryAddress];
  return (await run('npx', ['--no-install', 'eventsieve', ...args, ...at], { cwd: folder, shell })).stdout;
};

test('its tarball in an empty folder is a command that reaches the servers', async () => {
  expect(await npx('health')).toMatch(/^gateway .* serving\nquery .* serving\n$/);
  expect(await npx('stats', '--json')).toContain('"received":0');
});

test('its tarball has what it runs, and nothing of the workspace', () => {
  const installed = join(folder, 'node_modules/eventsieve');
  const files = readdirSync(installed, { recursive: true }).map(String);
  expect(files.filter((path) => /\.(test\.js|ts|map)$/.test(path) && !path.startsWith('node_modules'))).toEqual([]);
  for (const path of ['README.md', 'LICENSE', 'bin/eventsieve.js', 'dist/main.js']) {
    expect(existsSync(join(installed, path)), path).toBe(true);
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  expect(JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))).toMatchObject({
    name: 'eventsieve',
    version,
  });
});
