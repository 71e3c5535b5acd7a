import { migrateStore } from './migrate.js';

try {
  // As the services read it; the environment wins over it.
  process.loadEnvFile();
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
const url = process.env.DATABASE_URL;
if (url === undefined || url === '') {
  process.stderr.write('DATABASE_URL is not set.\n');
  process.exit(1);
}

// A database that is just starting is waited for, and nothing else is.
const patienceMs = 30_000;
const stillStarting = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', '57P03']);
const giveUpAt = Date.now() + patienceMs;

for (;;) {
  try {
    await migrateStore(url);
    process.stdout.write('The database schema is up to date.\n');
    break;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (!stillStarting.has(code ?? '') || Date.now() > giveUpAt) {
      process.stderr.write(`Could not migrate the database: ${message || String(error)}\n`);
      process.exit(1);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
