import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

// npm ci takes well below that; an older lock is one whose owner was killed and whose pid lives on in another process.
const STALE_AFTER_MS = 10 * 60_000;

/** Two starts on one clone at once must not install or build into each other. */
export async function withFolderLock(root, action) {
  // dist is where everything goes that is not in the repository
  const folder = join(root, 'embedded/dist');
  const path = join(folder, '.preparing');
  mkdirSync(folder, { recursive: true });
  for (let waiting = false; !take(path); waiting = true) {
    if (!waiting) process.stdout.write('another command is preparing this clone, waiting for it\n');
    await delay(200);
  }
  try {
    return await action();
  } finally {
    rmSync(path, { force: true });
  }
}

function take(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (isAbandoned(path)) rmSync(path, { force: true });
    return false;
  }
}

function isAbandoned(path) {
  try {
    if (Date.now() - statSync(path).mtimeMs > STALE_AFTER_MS) return true;
    // Empty for a moment, between its making and the writing of the pid.
    const pid = Number(readFileSync(path, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}
