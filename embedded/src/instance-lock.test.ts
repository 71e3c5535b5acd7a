import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDataFolder } from './instance-lock.js';
import { identityOf } from './processes.js';

let folder: string;
const say = () => {};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a data folder has one holder at a time', async () => {
  const lock = await lockDataFolder(folder, say);
  await expect(lockDataFolder(folder, say)).rejects.toThrow(
    `eventsieve already runs on ${folder} (pid ${process.pid})`,
  );
  lock.release();
  (await lockDataFolder(folder, say)).release();
});

test('a holder whose pid has gone to another process holds nothing', async () => {
  const self = identityOf(process.pid);
  writeFileSync(join(folder, 'launcher.json'), JSON.stringify({ ...self, startTime: 'another' }));
  (await lockDataFolder(folder, say)).release();
});

test.each(['', '{"pid":', 'null'])('a broken lock file (%j) holds nothing', async (text) => {
  writeFileSync(join(folder, 'launcher.json'), text);
  (await lockDataFolder(folder, say)).release();
});

test('a folder that cannot be made is named', async () => {
  writeFileSync(join(folder, 'file'), '');
  await expect(lockDataFolder(join(folder, 'file/data'), say)).rejects.toThrow(
    /^DATA_DIR is .*file\/data, which cannot/,
  );
});
