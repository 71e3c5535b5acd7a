import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goneWithin, type Identity, identityOf, isRunning } from './processes.js';

interface Holder extends Identity {
  guard?: Identity | undefined;
}

export interface InstanceLock {
  /** a later start on this folder waits for the guard, should this process be killed */
  nameGuard(guard: Identity | undefined): void;
  release(): void;
}

const GUARD_BUDGET_MS = 20_000;

/** One launcher a data folder. The holder is named by pid and start time, so that a killed one holds nothing. */
export async function lockDataFolder(dataDir: string, say: (line: string) => void): Promise<InstanceLock> {
  makeWritable(dataDir);
  const path = join(dataDir, 'launcher.json');
  const self = identityOf(process.pid);
  if (self === undefined) throw new Error('the start time of this process cannot be read');
  for (;;) {
    if (create(path, self)) break;
    const holder = read(path);
    if (holder !== undefined && isRunning(holder)) {
      throw new Error(`eventsieve already runs on ${dataDir} (pid ${holder.pid}): stop it, or set DATA_DIR.`);
    }
    if (holder?.guard !== undefined && isRunning(holder.guard)) {
      say('waiting for what is left of a killed run to end');
      await goneWithin([holder.guard], GUARD_BUDGET_MS);
    }
    // Whoever was faster has put a holder that lives there: that one stays.
    if (read(path)?.pid === holder?.pid) rmSync(path, { force: true });
  }
  return {
    nameGuard: (guard) => replace(path, { ...self, guard }),
    release: () => rmSync(path, { force: true }),
  };
}

function makeWritable(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true });
    const probe = join(dataDir, `.probe-${process.pid}`);
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`DATA_DIR is ${dataDir}, which cannot be written to (${code ?? message}).`);
  }
}

/** A link appears with its content, so nobody ever reads half a file. */
function create(path: string, holder: Holder): boolean {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(holder));
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function replace(path: string, holder: Holder): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(holder));
  renameSync(temporary, path);
}

function read(path: string): Holder | undefined {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as Holder | null) ?? undefined;
  } catch {
    return undefined;
  }
}
