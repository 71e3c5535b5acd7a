import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startNats } from './nats-server.js';
import { startPostgres } from './postgres.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-servers-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('Postgres comes back on its port after kill -9, a stop, and a stop without a checkpoint', async () => {
  const postgres = await startPostgres({ dataDir: join(folder, 'a/postgres') });
  const { port } = postgres;
  for (const end of [postgres.kill, postgres.stop, postgres.stopNow]) {
    await end();
    expect(postgres.pid).toBeUndefined();
    await postgres.restart();
    expect(postgres.port).toBe(port);
    expect(postgres.pid).toBeGreaterThan(0);
  }
  await postgres.stop();
  expect((await postgres.exited).code).toBe(0);
  expect(statSync(join(folder, 'a/postgres.password')).mode & 0o777).toBe(0o600);
});

test('a stop during the making of the database leaves nothing, and the next start makes it', async () => {
  const stop = new AbortController();
  const dataDir = join(folder, 'b/postgres');
  const start = startPostgres({ dataDir, stop: stop.signal, say: () => setTimeout(() => stop.abort(), 50) });
  await expect(start).rejects.toThrow();
  const postgres = await startPostgres({ dataDir });
  await postgres.stop();
});

test('a port that is taken is in the error of either server', async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const [postgres, nats] = await Promise.allSettled([
    startPostgres({ dataDir: join(folder, 'c/postgres'), port }),
    startNats({ storeDir: join(folder, 'nats-taken'), port }),
  ]);
  server.close();
  expect(postgres).toMatchObject({
    status: 'rejected',
    reason: { message: expect.stringContaining('already in use') },
  });
  expect(nats).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('EADDRINUSE') } });
});

test('data that a killed server left is found again, with the same password', async () => {
  const dataDir = join(folder, 'd/postgres');
  const first = await startPostgres({ dataDir });
  await first.kill();
  const second = await startPostgres({ dataDir, port: first.port });
  expect(second.url).toBe(first.url);
  await second.stop();
});

test('nats-server comes back on its port after kill -9 and after a stop', async () => {
  const nats = await startNats({ storeDir: join(folder, 'nats') });
  const { port } = nats;
  await nats.kill();
  expect(nats.pid).toBeUndefined();
  await nats.restart();
  await nats.stop();
  await nats.restart();
  expect(nats.port).toBe(port);
  expect(readFileSync(join(folder, 'nats/nats.conf'), 'utf8')).toContain(`127.0.0.1:${port}`);
  await nats.stop();
});

test('the configuration of nats-server is one that the server itself finds right', async () => {
  const nats = await startNats({ storeDir: join(folder, 'nats-check') });
  await nats.stop();
  const { stderr, status } = spawnSync(nats.binary, ['-t', '-c', join(folder, 'nats-check/nats.conf')]);
  expect({ status, stderr: String(stderr) }).toMatchObject({ status: 0 });
});
