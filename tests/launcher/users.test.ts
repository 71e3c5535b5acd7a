import { cpSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canEnter, isRoot } from '@eventsieve/embedded/unprivileged-user';
import { afterEach, expect, test } from 'vitest';
import { gone, processesOf, root, scratch, startLauncher } from './harness.js';

// Who is root may become anyone; anyone else is one more ordinary user, and launcher.test.ts has tried that one.
const ordinaryUser = { uid: 65_534, gid: 65_534 };
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

test.runIf(isRoot())('an ordinary user starts it, and all of it runs as that user', async () => {
  const place = await scratch(ordinaryUser);
  cleanups.push(place.remove);
  const launcher = startLauncher({ environment: place.environment, user: ordinaryUser, clone: reachableClone() });
  await launcher.line(/^eventsieve is ready$/);
  const owners = new Set(processesOf(place.dataDir).map(({ pid }) => statSync(`/proc/${pid}`).uid));
  expect([...owners]).toEqual([ordinaryUser.uid]);
  launcher.process.kill('SIGINT');
  expect(await launcher.ended()).toEqual({ code: 0, signal: null });
  expect(processesOf(place.dataDir)).toEqual([]);

  // root may go on with that data, and leaves it usable for its owner
  const asRoot = startLauncher({ environment: place.environment });
  await asRoot.line(/^eventsieve is ready$/);
  asRoot.process.kill('SIGINT');
  await asRoot.ended();
  expect(statSync(join(place.dataDir, 'postgres/PG_VERSION')).uid).toBe(ordinaryUser.uid);
});

test.runIf(isRoot())('root starts it below a folder that only root may enter', async () => {
  const place = await scratch();
  // Not below the temporary folder, whose scratch folders are opened for passing through.
  const privateFolder = mkdtempSync('/var/tmp/eventsieve-test-');
  const dataDir = join(privateFolder, 'clone/data');
  mkdirSync(dataDir, { recursive: true });
  cleanups.push(place.remove, () => rmSync(privateFolder, { recursive: true, force: true }));
  const environment = { ...place.environment, DATA_DIR: dataDir };

  for (const expectNew of [true, false]) {
    const launcher = startLauncher({ environment });
    await launcher.line(/^eventsieve is ready$/);
    expect(launcher.output().includes('making a new database')).toBe(expectNew);
    launcher.process.kill('SIGINT');
    expect(await launcher.ended()).toEqual({ code: 0, signal: null });
    await gone(dataDir);
  }
  const relocated = readlinkSync(join(dataDir, 'postgres'));
  cleanups.push(() => rmSync(relocated, { recursive: true, force: true }));
  expect(statSync(relocated).uid).not.toBe(0);
  expect(statSync(privateFolder).mode & 0o777).toBe(0o700);
});

/** The clone itself, or a copy of it when it lies where that user cannot go. */
function reachableClone(): string {
  if (canEnter(root, ordinaryUser)) return root;
  const copy = mkdtempSync(join(tmpdir(), 'eventsieve-clone-'));
  cleanups.push(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(root, copy, { recursive: true, verbatimSymlinks: true, filter: (path) => !/\/(data|\.git)$/.test(path) });
  return copy;
}
