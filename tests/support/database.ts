import { randomBytes } from 'node:crypto';
import { migrateStore } from '@eventsieve/store/migrate';
import { Client, Pool } from 'pg';
import { inject } from 'vitest';

export interface TestDatabase {
  readonly url: string;
  readonly pool: Pool;
  /** The first column of the first row. */
  value<T = string>(text: string, values?: readonly unknown[]): Promise<T>;
  drop(): Promise<void>;
}

async function asSuperuser(superuserUrl: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: superuserUrl });
  // Tests come between clients and Postgres; what is under way rejects all the same.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A database of its own, with the schema in it. */
export async function createDatabase(
  superuserUrl = inject('postgresUrl'),
  { migrate = true } = {},
): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asSuperuser(superuserUrl, `create database ${name}`);
  const url = new URL(superuserUrl);
  url.pathname = `/${name}`;
  if (migrate) await migrateStore(url.href);
  const pool = new Pool({ connectionString: url.href, max: 8 });
  // Tests end connections on purpose.
  pool.on('error', () => undefined);
  return {
    url: url.href,
    pool,
    async value<T>(text: string, values: readonly unknown[] = []) {
      const { rows } = await pool.query<Record<string, T>>(text, [...values]);
      return Object.values(rows[0] ?? {})[0] as T;
    },
    async drop() {
      await pool.end();
      await asSuperuser(superuserUrl, `drop database if exists ${name} with (force)`);
    },
  };
}
