import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface User {
  uid: number;
  gid: number;
}

export const isRoot = (): boolean => process.getuid?.() === 0;

/** Postgres refuses to run as root. Data that exists keeps its owner, so that root and its owner can take turns. */
export function unprivilegedUser(existingDataDir: string | undefined): User | undefined {
  if (!isRoot()) return undefined;
  if (existingDataDir !== undefined) {
    const { uid, gid } = statSync(existingDataDir);
    if (uid !== 0) return { uid, gid };
  }
  for (const name of ['postgres', 'nobody']) {
    const uid = idOf('-u', name);
    const gid = idOf('-g', name);
    if (uid !== undefined && gid !== undefined && uid !== 0) return { uid, gid };
  }
  throw new Error('Postgres does not run as root and there is no user postgres or nobody here: set DATABASE_URL.');
}

function idOf(flag: string, name: string): number | undefined {
  const { status, stdout } = spawnSync('id', [flag, name], { encoding: 'utf8' });
  return status === 0 ? Number(stdout.trim()) : undefined;
}

/** Asked of the kernel, not computed from mode bits: access lists and mounts count too. */
export function canEnter(folder: string, user: User | undefined): boolean {
  const { status } = spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...user, cwd: '/', stdio: 'ignore' });
  return status === 0;
}

/**
 * The folder around the data is ours and may be opened for passing through (not for reading); so may a scratch folder
 * below the system's temporary one. Anything else above it is not ours to change.
 */
export function openForPassing(folder: string, scratch = realpathSync(tmpdir())): void {
  const { uid, mode } = statSync(folder);
  if (uid === process.getuid?.()) chmodSync(folder, (mode & 0o7777) | 0o011);
  const parent = dirname(folder);
  if (parent.startsWith(`${scratch}/`)) openForPassing(parent, scratch);
}

export function chownAll(path: string, user: User): void {
  const entry = lstatSync(path);
  if (entry.isSymbolicLink()) return;
  chownSync(path, user.uid, user.gid);
  if (entry.isDirectory()) for (const name of readdirSync(path)) chownAll(join(path, name), user);
}

export function makeReadable(path: string): void {
  const entry = lstatSync(path);
  if (entry.isSymbolicLink()) return;
  chmodSync(path, (entry.mode & 0o7777) | (entry.isDirectory() || (entry.mode & 0o100) !== 0 ? 0o555 : 0o444));
  if (entry.isDirectory()) for (const name of readdirSync(path)) makeReadable(join(path, name));
}
