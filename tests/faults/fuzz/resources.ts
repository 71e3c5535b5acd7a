import { execFile } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import type { DoorProcess } from './doors.js';

const run = promisify(execFile);

export interface Resources {
  readonly pid: number;
  readonly mib: number;
  /** Undefined where the system does not tell. */
  readonly sockets: number | undefined;
}

/** What each process takes now, by name. */
export async function readResources(processes: readonly DoorProcess[]): Promise<Map<string, Resources>> {
  const found = new Map<string, Resources>();
  for (const { name, pid: pidOf } of processes) {
    const pid = pidOf();
    if (pid === undefined) continue;
    const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
    found.set(name, { pid, mib: Math.round(Number(stdout) / 1024), sockets: socketsOf(pid) });
  }
  return found;
}

function socketsOf(pid: number): number | undefined {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).filter((each) => {
      try {
        return readlinkSync(`${folder}/${each}`).startsWith('socket:');
      } catch {
        return false;
      }
    }).length;
  } catch {
    return undefined;
  }
}
