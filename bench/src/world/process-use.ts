import { readdirSync, readFileSync } from 'node:fs';

export interface Use {
  readonly cpuSeconds: number;
  /** The most it ever held. */
  readonly peakMb: number;
  readonly heldMb: number;
}

const ticksPerSecond = 100;

/** What a process has used; of one that has ended, or on a system without /proc, nothing is known. */
export function useOf(pid: number): Use | undefined {
  try {
    const times = timesOf(pid);
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const peakKb = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    const heldKb = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    return { cpuSeconds: times.own, peakMb: peakKb / 1024, heldMb: heldKb / 1024 };
  } catch {
    return undefined;
  }
}

/** Postgres is a process for each connection: those that live, and those that have ended. */
export function cpuWithChildren(pid: number): number | undefined {
  try {
    const { own, ended } = timesOf(pid);
    const living = childrenOf(pid).map((child) => {
      try {
        const times = timesOf(child);
        return times.own + times.ended;
      } catch {
        return 0;
      }
    });
    return own + ended + living.reduce((sum, each) => sum + each, 0);
  } catch {
    return undefined;
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => {
      try {
        return fieldsOf(each)[1] === String(pid);
      } catch {
        return false;
      }
    });
}

function timesOf(pid: number): { own: number; ended: number } {
  const fields = fieldsOf(pid);
  const ticks = (index: number) => Number(fields[index]);
  return { own: (ticks(11) + ticks(12)) / ticksPerSecond, ended: (ticks(13) + ticks(14)) / ticksPerSecond };
}

/** From the state on: the name before it may hold blanks. */
function fieldsOf(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}
