import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Track } from '@eventsieve/embedded/child';
import { type Nats, startNats } from '@eventsieve/embedded/nats-server';
import { type Postgres, startPostgres } from '@eventsieve/embedded/postgres';

/** Postgres and NATS as npm start runs them, in a scratch folder. */
export interface Servers {
  readonly folder: string;
  readonly postgres: Postgres;
  readonly nats: Nats;
  stop(): Promise<void>;
}

export interface ServersContext {
  readonly natsBinary: string;
  readonly track: Track;
  readonly stopping: AbortSignal;
}

const maxStreamBytes = 64 * 2 ** 30;

export async function startServers({ natsBinary, track, stopping }: ServersContext): Promise<Servers> {
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-bench-'));
  const [postgres, nats] = await Promise.all([
    startPostgres({ dataDir: join(folder, 'postgres'), track, stop: stopping }),
    startNats({
      storeDir: join(folder, 'nats'),
      binary: natsBinary,
      maxFileBytes: maxStreamBytes,
      track,
      stop: stopping,
    }),
  ]);
  return {
    folder,
    postgres,
    nats,
    async stop() {
      await Promise.all([postgres.stopNow(), nats.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
