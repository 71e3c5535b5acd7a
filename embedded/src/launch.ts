import { aborted } from './aborted.js';
import type { Track } from './child.js';
import { lockDataFolder } from './instance-lock.js';
import type { LaunchSettings } from './launch-settings.js';
import type { Service } from './service.js';
import { startGuard } from './start-guard.js';
import { type Entries, startParts } from './start-parts.js';
import { type RunningParts, stopParts } from './stop-parts.js';

export interface LaunchOptions {
  settings: LaunchSettings;
  entries: Entries;
  workingFolder: string;
  say: (line: string) => void;
  /** aborted: everything is stopped, also in the middle of the start */
  stopping: AbortSignal;
  /** aborted: stopping is cut short */
  hurry: AbortSignal;
  /** called once, when everything serves */
  onReady?: (running: { services: readonly Service[]; track: Track }) => void;
}

/** Runs everything until `stopping`; rejects when the start fails; in both cases nothing is left behind. */
export async function launch(options: LaunchOptions): Promise<void> {
  const { settings, say, stopping, hurry } = options;
  const lock = await lockDataFolder(settings.dataDir, say);
  const guard = startGuard((identity) => lock.nameGuard(identity));
  const parts: RunningParts = { doors: [], workers: [], nats: undefined, postgres: undefined };
  const failed = new AbortController();
  const stop = AbortSignal.any([stopping, failed.signal]);
  try {
    await startParts({ ...options, parts, track: guard.track, stop });
    options.onReady?.({ services: [...parts.doors, ...parts.workers], track: guard.track });
    await aborted(stopping);
  } catch (error) {
    if (!stopping.aborted) throw error;
  } finally {
    // Whatever ends this, nothing may be started again from here on.
    failed.abort();
    await stopParts(parts, hurry);
    await guard.close();
    lock.release();
  }
}
