import { migrateStore } from '@eventsieve/store/migrate';
import * as schema from '@eventsieve/store/schema';
import { is } from 'drizzle-orm';
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../tests/support/database.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase(undefined, { migrate: false });
});
afterAll(() => database.drop());

test('five processes may migrate at once, and again', async () => {
  await Promise.all(Array.from({ length: 5 }, () => migrateStore(database.url)));
  await migrateStore(database.url);
  expect(await database.value('select count(*)::int from eventsieve_migrations')).toBeGreaterThan(0);
});

test('the drizzle schema is what the migrations make', async () => {
  const tables = Object.values(schema).filter((each) => is(each, PgTable));
  expect(tables.length).toBe(19);
  const { rows } = await database.pool.query<{ table: string; column: string; type: string; required: boolean }>(`
    select c.relname as table, a.attname as column, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and a.attnum > 0 and not a.attisdropped and c.relname <> 'eventsieve_migrations'`);
  const made = rows.map(
    ({ table, column, type, required }) => `${table}.${column} ${type}${required ? ' not null' : ''}`,
  );
  const described = tables.flatMap((table) => {
    const { name, columns } = getTableConfig(table);
    return columns.map((column) => {
      const type = column.getSQLType();
      return `${name}.${column.name} ${type}${column.notNull || column.primary ? ' not null' : ''}`;
    });
  });
  expect(described.sort()).toEqual(made.sort());
});
