import { basename } from 'node:path';
import type { Output } from '../output/output.js';
import type { Tally } from './tally.js';

export interface ProgressView {
  readonly name: string;
  readonly totalBytes: number | undefined;
  readonly readBytes: () => number;
  readonly skippedBytes: () => number;
  readonly tally: Tally;
}

export interface Progress {
  /** A sentence beside it. */
  note(line: string): void;
  end(): void;
}

const redrawMs = 100;
const lineMs = 5_000;

/** A bar that is written over where somebody looks at it, else a line now and then. */
export function showProgress(
  view: ProgressView,
  output: Pick<Output, 'complain' | 'complainsToTerminal' | 'live'>,
): Progress {
  const startedAt = performance.now();
  const isLive = output.complainsToTerminal;
  const live = isLive ? output.live('complaints') : undefined;
  const draw = () => {
    const line = progressLine(view, performance.now() - startedAt, isLive);
    if (live === undefined) output.complain(line);
    else live.show([line]);
  };
  const timer = setInterval(draw, isLive ? redrawMs : lineMs);
  let ended = false;
  return {
    note(line) {
      live?.end('goes');
      output.complain(line);
    },
    end() {
      if (ended) return;
      ended = true;
      clearInterval(timer);
      if (live === undefined) return;
      draw();
      live.end('stays');
    },
  };
}

// A line of 80 columns has room for all of it.
const barWidth = 12;
const mostOfName = 18;

/** A path would leave no room for the rest. */
function shortName(name: string): string {
  const base = basename(name);
  return base.length > mostOfName ? `${base.slice(0, mostOfName - 1)}…` : base;
}

export function progressLine(
  { name, totalBytes, readBytes, skippedBytes, tally }: ProgressView,
  elapsedMs: number,
  withBar: boolean,
): string {
  const records = tally.published + tally.rejected + tally.errors;
  const perSecond = elapsedMs === 0 ? 0 : Math.round((records / elapsedMs) * 1000);
  const faults = tally.rejected + tally.errors === 0 ? '' : `, ${tally.rejected + tally.errors} at fault`;
  const counts = `${records} events, ${perSecond}/s${faults}`;
  if (totalBytes === undefined || totalBytes === 0) return `${shortName(name)}: ${counts}`;
  const part = Math.min(1, readBytes() / totalBytes);
  const filled = Math.floor(part * barWidth);
  const bar = withBar ? ` [${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}]` : '';
  const speed = (readBytes() - skippedBytes()) / elapsedMs;
  const left = speed > 0 ? `, ${duration((totalBytes - readBytes()) / speed)} left` : '';
  return `${shortName(name)}:${bar} ${Math.floor(part * 100)} %, ${counts}${left}`;
}

/** As clocks show it. */
function duration(ms: number): string {
  const seconds = Math.ceil(Math.max(0, ms) / 1000);
  const clock = `${Math.floor(seconds / 60) % 60}:${String(seconds % 60).padStart(2, '0')}`;
  return seconds < 3600 ? clock : `${Math.floor(seconds / 3600)}:${clock.padStart(5, '0')}`;
}
