import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { Client } from 'pg';

const migrationsFolder = fileURLToPath(new URL('../migrations', import.meta.url));
const lockKey = '7305809143511617075';

/** Brings the schema up to date. Any number of processes may call it at once: one works, the others wait. */
export async function migrateStore(url: string): Promise<void> {
  const client = new Client({
    connectionString: url,
    application_name: 'eventsieve-migrate',
    connectionTimeoutMillis: 5_000,
  });
  // A connection that breaks rejects the query under way; without a listener it would also end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(`select pg_advisory_lock(${lockKey})`);
    await client.query('set client_min_messages = warning');
    await migrate(drizzle(client), {
      migrationsFolder,
      migrationsSchema: 'public',
      migrationsTable: 'eventsieve_migrations',
    });
  } finally {
    await client.end();
  }
}
