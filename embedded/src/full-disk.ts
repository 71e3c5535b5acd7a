import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface FullDiskOptions {
  readonly logFile: string;
  readonly storeDir: string;
  readonly say: (line: string) => void;
  /** ends the server, which is started again by whoever keeps it up */
  readonly end: () => Promise<void>;
  readonly everyMs?: number;
}

const EVERY_MS = 2_000;
const MOST_READ_BYTES = 64 * 1024;
const PROBE_BYTES = 4 << 20;
const FULL = /\[ERR\].*(no space left on device|disk quota exceeded)/;

/**
 * From 2.14 on nats-server keeps the error of a write that met a full disk: it stores nothing more until it is started
 * again, though room was made long ago, and says so of each message. When it still does after there was room, it is ended.
 */
export async function watchForFullDisk(options: FullDiskOptions, stop: AbortSignal): Promise<void> {
  const { logFile, storeDir, say, end, everyMs = EVERY_MS } = options;
  const readNew = newTextOf(logFile);
  let hadRoom = false;
  while (!stop.aborted) {
    await delay(everyMs, undefined, { signal: stop }).catch(() => {});
    if (stop.aborted || !FULL.test(readNew())) continue;
    const room = await hasRoom(storeDir);
    if (stop.aborted) return;
    if (room && hadRoom) {
      say('nats-server met a full disk and stores nothing since; there is room again, so it is started anew');
      await end();
    }
    hadRoom = room && !hadRoom;
  }
}

/** What stands in a file since it was asked last, the end of it when that is much. */
function newTextOf(path: string): () => string {
  let seen = sizeOf(path);
  return () => {
    const size = sizeOf(path);
    const from = Math.max(size < seen ? 0 : seen, size - MOST_READ_BYTES);
    seen = size;
    if (size === from) return '';
    try {
      const file = openSync(path, 'r');
      const bytes = Buffer.alloc(size - from);
      const read = readSync(file, bytes, 0, bytes.length, from);
      closeSync(file);
      return bytes.toString('utf8', 0, read);
    } catch {
      return '';
    }
  };
}

/** Asks by writing, since a quota does not show in what the file system has free. */
async function hasRoom(folder: string): Promise<boolean> {
  const probe = join(folder, '.room');
  const written = await writeFile(probe, Buffer.alloc(PROBE_BYTES), { flush: true }).then(
    () => true,
    () => false,
  );
  await rm(probe, { force: true }).catch(() => {});
  return written;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
