import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { watchForFullDisk } from '@eventsieve/embedded/full-disk';
import { keepUp } from '@eventsieve/embedded/keep-up';
import { type Nats, startNats } from '@eventsieve/embedded/nats-server';
import { serverPart } from '@eventsieve/embedded/server-part';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitUntil } from './support/wait-until.js';

const folder = mkdtempSync(join(tmpdir(), 'eventsieve-disk-'));
const mounts = tryMount();
let nats: Nats;
let connection: NatsConnection;
const said: string[] = [];
const stopping = new AbortController();

function tryMount(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

beforeAll(async () => {
  if (!mounts) return;
  const say = (line: string) => void said.push(line);
  // With its log on the same disk, as npm start has it.
  nats = await startNats({ storeDir: join(folder, 'nats'), maxFileBytes: 2 ** 30 });
  keepUp(serverPart('nats-server', nats), say, stopping.signal);
  const { logFile, storeDir } = nats;
  void watchForFullDisk({ logFile, storeDir, say, end: () => nats.stop(), everyMs: 200 }, stopping.signal);
  connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  await (await jetstreamManager(connection)).streams.add({ name: 'full', subjects: ['full'] });
});
afterAll(async () => {
  if (mounts) {
    stopping.abort();
    await connection.close();
    await nats.stop();
    execFileSync('umount', [folder]);
  }
  rmSync(folder, { recursive: true, force: true });
});

const publish = () =>
  jetstream(connection)
    .publish('full', Buffer.alloc(20_000), { timeout: 500, retries: 0 })
    .then(
      ({ seq }) => seq,
      () => undefined,
    );

function fill(): void {
  try {
    for (let i = 0; ; i++) writeFileSync(join(folder, `filler-${i}`), Buffer.alloc(64 * 1024));
  } catch {
    // Now it is full.
  }
}
const makeRoom = () => execFileSync('find', [folder, '-name', 'filler-*', '-delete']);

// Only root may mount a disk that is soon full.
test.skipIf(!mounts)('a nats-server whose disk was full takes messages again once there is room', async () => {
  expect(await publish()).toBe(1);
  fill();
  await waitUntil('a message is refused', async () => (await publish()) === undefined);
  // It is not started again and again while the disk is full.
  for (let i = 0; i < 4; i++) expect(await publish()).toBeUndefined();
  expect(said).toEqual([]);
  makeRoom();
  await waitUntil('messages are taken', async () => (await publish()) !== undefined);
  expect(said[0]).toMatch(/^nats-server met a full disk/);
  expect(said.filter((line) => line.includes('full disk'))).toHaveLength(1);
  const last = await publish();
  const { state } = await (await jetstreamManager(connection)).streams.info('full');
  expect([state.messages, state.last_seq]).toEqual([last, last]);
});
