import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { watchForFullDisk } from './full-disk.js';

const full = "[ERR] JetStream failed to store a msg on stream 'S': write msgs/1.blk: no space left on device\n";
let folder: string;
let logFile: string;
let ended: number;
let stopping: AbortController;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-full-'));
  logFile = join(folder, 'nats.log');
  ended = 0;
  stopping = new AbortController();
});
afterEach(() => {
  stopping.abort();
  rmSync(folder, { recursive: true, force: true });
});

function watch(storeDir = folder): void {
  const end = async () => void ended++;
  void watchForFullDisk({ logFile, storeDir, say: () => {}, end, everyMs: 20 }, stopping.signal);
}

/** What a server says while somebody publishes. */
async function goesOn(line: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    appendFileSync(logFile, line);
    await delay(50);
  }
}

test('what was said before, and what is said once, ends nothing: the room may have come after it', async () => {
  writeFileSync(logFile, full.repeat(3));
  watch();
  await goesOn('[INF] Server is ready\n', 3);
  await goesOn(full, 1);
  await goesOn('[ERR] something else\n', 3);
  expect(ended).toBe(0);
});

test('a server that still says so when there is room is ended, and its successor as well if it does', async () => {
  watch();
  await goesOn(full, 2);
  expect(ended).toBe(1);
  await goesOn('[INF] Server is ready\n', 2);
  await goesOn(full, 2);
  expect(ended).toBe(2);
});

test('as long as there is no room it is left alone', async () => {
  watch(join(folder, 'missing'));
  await goesOn(full, 5);
  expect(ended).toBe(0);
});
