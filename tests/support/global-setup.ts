import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNats } from '@eventsieve/embedded/nats-server';
import { startPostgres } from '@eventsieve/embedded/postgres';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A superuser's URL; each test file makes a database of its own (support/database.ts). */
    postgresUrl: string;
    /** Each test file has a prefix of its own there (support/broker.ts). */
    natsUrl: string;
    natsBinary: string;
  }
}

/** One real Postgres and one real nats-server for the whole run. A test that kills one starts its own. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-test-'));
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const [postgres, nats] = await Promise.all([
    startPostgres({ dataDir: join(folder, 'postgres'), settings: { max_connections: '200' }, say }),
    // Every stream reserves what it may grow to, and many tests leave theirs behind: no disk holds all of that, nor has to.
    startNats({ storeDir: join(folder, 'nats'), maxFileBytes: 64 * 1024 ** 4, say }),
  ]);
  process.stdout.write(`tests run on Postgres ${postgres.version} and nats-server ${nats.version} (${nats.binary})\n`);
  provide('postgresUrl', postgres.url);
  provide('natsUrl', nats.url);
  provide('natsBinary', nats.binary);
  return async () => {
    await Promise.all([postgres.stop(), nats.stop()]);
    rmSync(folder, { recursive: true, force: true });
  };
}
