import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem } from './support/system.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
const npm = (...args: string[]) =>
  run('npm', [...args, '--no-audit', '--no-fund'], { cwd: folder, shell: process.platform === 'win32' });

const readme = readFileSync(join(root, 'packages/sdk/README.md'), 'utf8');
const [, tenLines = ''] = /^```ts\n(import .*?)^```$/ms.exec(readme) ?? [];
const requireLine = /`(const .* = require\('@eventsieve\/client'\);)`/.exec(readme)?.[1];

let folder: string;
let installed: string;
let system: System;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-package-'));
  system = await startSystem();
  const { stdout } = await run(process.execPath, [join(root, 'packages/sdk/pack.mjs'), folder]);
  await npm('init', '-y');
  await npm('install', stdout.trim(), '--prefer-offline');
  installed = join(folder, 'node_modules/@eventsieve/client');
}, 300_000);
afterAll(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('it stands alone: its own files, nothing of the workspace, the version and the engines of the repository', () => {
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const { version, engines, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(manifest).toMatchObject({ version, engines, license, sideEffects: false });
  expect(manifest).not.toHaveProperty('private');
  expect(readFileSync(join(installed, 'dist/esm/connect.js'), 'utf8')).toContain(`eventsieve-client/${version}`);
  expect(Object.keys(manifest.dependencies).sort()).toEqual(['@bufbuild/protobuf', '@grpc/grpc-js']);
  const files = readdirSync(installed, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).slice(installed.length + 1));
  expect(files).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'dist/esm/index.d.ts', 'dist/cjs/index.js']));
  const odd = files.filter((path) => !/^dist\/(esm|cjs)\/.*(?<!\.test)\.(js|d\.ts)$/.test(path));
  expect(odd.sort()).toEqual([
    'LICENSE',
    'README.md',
    'dist/cjs/package.json',
    'dist/esm/package.json',
    'package.json',
  ]);
  const foreign = files.filter(
    (path) => path.startsWith('dist/') && readFileSync(join(installed, path), 'utf8').includes('@eventsieve/'),
  );
  expect(foreign).toEqual([]);
});

test('npm pack, which would leave the contract out, says how to do it', async () => {
  const packing = run('npm', ['pack', '--dry-run'], { cwd: join(root, 'packages/sdk') });
  await expect(packing).rejects.toMatchObject({ stderr: expect.stringContaining('npm run pack:sdk makes one') });
});

/** The lines as they stand in the README, but for the addresses, and a topic that nobody has used. */
function linesFor(topic: string): string {
  const { gatewayAddress: gateway, queryAddress: query } = system;
  return tenLines
    .replace('createClient()', `createClient(${JSON.stringify({ gateway, query })})`)
    .replaceAll("topic: 'orders'", `topic: '${topic}'`);
}

async function printed(file: string, text: string): Promise<string> {
  writeFileSync(join(folder, file), text);
  const { stdout, stderr } = await run(process.execPath, [file], { cwd: folder, timeout: 60_000 });
  return stdout + stderr;
}

const verdicts = 'stored\nduplicate\norder-17 { total: 12.5 }\n';

test('the ten lines of its README publish, repeat, tail and print the verdicts', async () => {
  expect(tenLines.trim().split('\n').filter(Boolean)).toHaveLength(10);
  expect(await printed('lines.mjs', linesFor('orders.esm'))).toBe(verdicts);
});

test('so they do in CommonJS', async () => {
  const [, ...rest] = linesFor('orders.cjs').split('\n');
  const text = `${requireLine}\n(async () => {\n${rest.join('\n')}})();\n`;
  expect(await printed('lines.cjs', text)).toBe(verdicts);
});

async function errorsOfTypes(module: string, files: readonly string[]): Promise<string> {
  const compilerOptions = {
    ...{ module, target: 'es2022', lib: ['es2023'], types: ['node'], noEmit: true, strict: true },
    ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false },
    ...(module === 'preserve' && { moduleResolution: 'bundler' }),
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const failed = (error: { stdout: string }) => error;
  return (await run(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], { cwd: folder }).catch(failed)).stdout;
}

test.each([
  ['node16', ['types.mts', 'types.cts']],
  ['nodenext', ['types.mts', 'types.cts']],
  ['preserve', ['types.ts']],
])('its types are right with the modules of %s, and need no leniency with libraries', async (module, files) => {
  for (const file of files) cpSync(join(root, 'tests/sdk-types/public-types.ts'), join(folder, file));
  expect(await errorsOfTypes(module, files)).toBe('');
});

test('every example of its README is right by its types', async () => {
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text = '']) => text);
  expect(examples.length).toBeGreaterThan(2);
  const files = examples.map((_, index) => `example-${index}.mts`);
  for (const [index, text] of examples.entries()) {
    writeFileSync(join(folder, `example-${index}.mts`), `${text}\nexport {};\n`);
  }
  writeFileSync(join(folder, 'client.d.ts'), `declare const client: import('@eventsieve/client').Client;\n`);
  expect(await errorsOfTypes('nodenext', ['client.d.ts', ...files])).toBe('');
});

test.each([
  ['an event without a source', `client.publish({ topic: 't', eventId: 'e' });`],
  ['a payload twice', `client.publish({ topic: 't', eventId: 'e', source: 's', payload: {}, payloadJson: '' });`],
  ['a wait that there is not', `client.publish([], { wait: 'later' });`],
  ['a tail from nowhere', `client.tail({ from: { position: 1n } });`],
  ['the time of an event under the name that a list has for it', `client.tail({ to: new Date() });`],
  ['an erasure without an id', `client.erase('topic');`],
  ['a step that there is not', `client.statsSeries({ step: '5m' });`],
  ['a dead letter by a number', `client.deadLetters.get(1);`],
])('its types refuse %s', async (_, line) => {
  writeFileSync(
    join(folder, 'wrong.mts'),
    `import { createClient } from '@eventsieve/client';\nconst client = createClient();\n${line}\n`,
  );
  expect(await errorsOfTypes('node16', ['wrong.mts'])).toMatch(/^wrong\.mts\(3,\d+\): error TS\d+: .*\n(?: .*\n)*$/);
});
