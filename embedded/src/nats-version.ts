import { spawnSync } from 'node:child_process';

/** Built, tested and measured with this one. */
export const PINNED_NATS = '2.15.2';
/** Knows sync_interval, and everything the services would like to have. */
export const GOOD_NATS = '2.10.0';
/** Below it nothing was tested. */
export const OLDEST_NATS = '2.9.10';

export function natsServerVersion(binary: string): string | undefined {
  const { status, stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  if (status !== 0) return undefined;
  return /nats-server:\s*v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
}

export function atLeast(version: string, minimum: string): boolean {
  const left = version.split('.').map(Number);
  const right = minimum.split('.').map(Number);
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
