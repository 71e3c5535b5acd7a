import { randomBytes } from 'node:crypto';
import { migrateStore } from '@eventsieve/store/migrate';
import { Pool } from 'pg';

/** A database of its own in the bench's Postgres. */
export interface BenchDatabase {
  readonly url: string;
  readonly pool: Pool;
  drop(): Promise<void>;
}

export async function createDatabase(serverUrl: string): Promise<BenchDatabase> {
  const name = `bench_${randomBytes(4).toString('hex')}`;
  await once(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await migrateStore(url.href);
  const pool = new Pool({ connectionString: url.href, max: 4 });
  pool.on('error', () => undefined);
  return {
    url: url.href,
    pool,
    async drop() {
      await pool.end();
      await once(serverUrl, `drop database ${name} with (force)`);
      // What the next case writes is not to pay for what this one left to be written.
      await once(serverUrl, 'checkpoint');
    },
  };
}

async function once(url: string, statement: string): Promise<void> {
  const pool = new Pool({ connectionString: url, max: 1 });
  try {
    await pool.query(statement);
  } finally {
    await pool.end();
  }
}
