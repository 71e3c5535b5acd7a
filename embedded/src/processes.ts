import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A pid alone may be taken over by a stranger; with its start time it names one process for ever. */
export interface Identity {
  pid: number;
  startTime: string;
}

export function identityOf(pid: number): Identity | undefined {
  const startTime = process.platform === 'linux' ? startTimeFromProc(pid) : startTimeFromPs(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

function startTimeFromProc(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field is the name in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  return state === 'Z' || state === 'X' ? undefined : fields[19];
}

function startTimeFromPs(pid: number): string | undefined {
  const { stdout } = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const match = /^(\S+)\s+(.+)$/.exec(stdout?.trim() ?? '');
  return match === null || match[1]?.startsWith('Z') ? undefined : match[2];
}

export function isRunning(identity: Identity): boolean {
  return identityOf(identity.pid)?.startTime === identity.startTime;
}

/** Signals the process group that the process leads, and only if it still is the process we mean. */
export function signalGroup(identity: Identity, signal: NodeJS.Signals): void {
  if (isRunning(identity)) send(-identity.pid, signal);
}

export function signalProcess(identity: Identity, signal: NodeJS.Signals): void {
  if (isRunning(identity)) send(identity.pid, signal);
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

/** For processes that are not our children, so that no event tells of their end. */
export async function goneWithin(identities: readonly Identity[], budgetMs: number): Promise<boolean> {
  const deadline = Date.now() + budgetMs;
  for (;;) {
    if (!identities.some(isRunning)) return true;
    if (Date.now() >= deadline) return false;
    await delay(25);
  }
}

export function findByCommand(matches: (command: string) => boolean): Identity[] {
  const found: Identity[] = [];
  for (const { pid, command } of process.platform === 'linux' ? commandsFromProc() : commandsFromPs()) {
    const identity = pid !== process.pid && matches(command) ? identityOf(pid) : undefined;
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

// Not ps: slim containers have none.
function* commandsFromProc(): Generator<{ pid: number; command: string }> {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      yield { pid: Number(name), command };
    } catch {
      // ended meanwhile
    }
  }
}

function* commandsFromPs(): Generator<{ pid: number; command: string }> {
  const { stdout } = spawnSync('ps', ['-axww', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 64 << 20 });
  for (const line of (stdout ?? '').split('\n')) {
    const match = /^\s*(\d+)\s+(.*)$/.exec(line);
    if (match?.[2] !== undefined) yield { pid: Number(match[1]), command: match[2] };
  }
}
