import { readFileSync } from 'node:fs';

interface Journal {
  readonly entries: readonly { readonly when: number; readonly tag: string }[];
}

/** Runs a statement and gives its rows. */
export type Ask = (text: string) => Promise<readonly Record<string, unknown>[]>;

const journal = JSON.parse(
  readFileSync(new URL('../migrations/meta/_journal.json', import.meta.url), 'utf8'),
) as Journal;

const remedy = 'run "npm run migrate" with its DATABASE_URL (with containers: "docker compose run --rm migrate")';

/** The schema lacks what this version needs. */
export class SchemaTooOldError extends Error {
  override name = 'SchemaTooOldError';
}

/**
 * Undefined when the schema has every migration that this version knows, whatever else it has: migrations only add. They
 * are compared as migrating compares them, by the time of the last one.
 */
export async function findSchemaGap(ask: Ask): Promise<SchemaTooOldError | undefined> {
  const [table] = await ask(`select to_regclass('public.eventsieve_migrations') is not null as found`);
  if (table?.found !== true) return new SchemaTooOldError(`the database has no schema yet: ${remedy}`);
  const [row] = await ask('select coalesce(max(created_at), 0)::text as last from public.eventsieve_migrations');
  const lacking = journal.entries.filter(({ when }) => when > Number(row?.last)).map(({ tag }) => tag);
  if (lacking.length === 0) return undefined;
  return new SchemaTooOldError(`the database schema is too old, it lacks ${lacking.join(', ')}: ${remedy}`);
}

const undefinedThings = new Set([
  '42P01', // table
  '42703', // column
  '42883', // function
]);

/** Whether an older schema may be the cause of this error: only then is it worth a look. */
export function mayBeOldSchema(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && undefinedThings.has(code);
}
