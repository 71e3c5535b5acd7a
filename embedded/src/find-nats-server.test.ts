import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findNatsServer } from './find-nats-server.js';
import { PINNED_NATS } from './nats-version.js';

let folder: string;
let server: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-find-'));
});

afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** A program that says it is a nats-server. */
function fakeServer(path: string, version: string): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  chmodSync(path, 0o755);
  return path;
}

const cached = () => join(folder, 'cache/nats-server', PINNED_NATS, 'nats-server');
// Neither Go nor a package manager: what is looked for last is not there.
const environment = (more: NodeJS.ProcessEnv = {}) => ({
  PATH: join(folder, 'bin'),
  EVENTSIEVE_CACHE: join(folder, 'cache'),
  ...more,
});
const nowhere = 'http://127.0.0.1:9';

async function releases(change: (file: Buffer) => Buffer = (file) => file): Promise<string> {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const name = `nats-server-v${PINNED_NATS}-${process.platform}-${arch}`;
  fakeServer(join(folder, 'release', name, 'nats-server'), PINNED_NATS);
  const archive = join(folder, 'release', `${name}.tar.gz`);
  execFileSync('tar', ['-czf', archive, '-C', join(folder, 'release'), name]);
  const file = readFileSync(archive);
  const sum = createHash('sha256').update(file).digest('hex');
  const started = createServer((request, response) => {
    if (request.url === `/v${PINNED_NATS}/SHA256SUMS`)
      response.end(`${'0'.repeat(64)}  other.zip\n${sum}  ${name}.tar.gz\n`);
    else if (request.url === `/v${PINNED_NATS}/${name}.tar.gz`) response.end(change(file));
    else response.writeHead(404).end();
  });
  server = started;
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
}

test('NATS_SERVER comes first, and is refused by its name when it is none or too old', async () => {
  fakeServer(join(folder, 'bin/nats-server'), '2.12.0');
  const given = fakeServer(join(folder, 'given'), '2.9.10');
  expect(await findNatsServer({ env: environment({ NATS_SERVER: given }) })).toMatchObject({ path: given });
  const old = fakeServer(join(folder, 'old'), '2.8.0');
  await expect(findNatsServer({ env: environment({ NATS_SERVER: old }) })).rejects.toThrow(/^NATS_SERVER is .*2\.8\.0/);
});

test('a recent one on the PATH comes before the cache, the cache before an older one on the PATH', async () => {
  fakeServer(cached(), PINNED_NATS);
  fakeServer(join(folder, 'bin/nats-server'), '2.10.0');
  expect(await findNatsServer({ env: environment() })).toMatchObject({ source: 'PATH', version: '2.10.0' });
  fakeServer(join(folder, 'bin/nats-server'), '2.9.25');
  expect(await findNatsServer({ env: environment() })).toMatchObject({ source: 'cache', version: PINNED_NATS });
});

test('an older one on the PATH is taken when no newer one can be had', async () => {
  fakeServer(join(folder, 'bin/nats-server'), '2.9.10');
  const said: string[] = [];
  const found = await findNatsServer({ env: environment(), releaseUrl: nowhere, say: (line) => said.push(line) });
  expect(found).toMatchObject({ source: 'PATH', version: '2.9.10' });
  expect(said).toContainEqual(expect.stringMatching(/download did not work: .* cannot be reached/));
});

test('a release is downloaded into the cache, and found there the next time', async () => {
  const env = environment({ PATH: process.env.PATH });
  const releaseUrl = await releases();
  expect(await findNatsServer({ env: { ...env, PATH: '/usr/bin:/bin' }, releaseUrl })).toEqual({
    path: cached(),
    version: PINNED_NATS,
    source: 'download',
  });
  server?.close();
  expect(await findNatsServer({ env: environment(), releaseUrl: nowhere })).toMatchObject({ source: 'cache' });
});

test('a download with another checksum is refused, and nothing of it is kept', async () => {
  const releaseUrl = await releases((file) => Buffer.concat([file, Buffer.from('x')]));
  fakeServer(join(folder, 'bin/nats-server'), '2.9.10');
  const said: string[] = [];
  const found = await findNatsServer({ env: environment(), releaseUrl, say: (line) => said.push(line) });
  expect(found.source).toBe('PATH');
  expect(said).toContainEqual(expect.stringMatching(/has checksum [0-9a-f]{64} instead of/));
  expect(existsSync(cached())).toBe(false);
});

test('when there is none anywhere, one sentence says what was tried and what to do', async () => {
  fakeServer(join(folder, 'bin/nats-server'), '2.8.4');
  await expect(findNatsServer({ env: environment(), releaseUrl: nowhere })).rejects.toThrow(
    /^There is no nats-server .*download: .*go install: there is no Go here.* set NATS_URL\.$/,
  );
});
