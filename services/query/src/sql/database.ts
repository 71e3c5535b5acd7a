import { EventsieveError } from '@eventsieve/contract/errors';
import { findSchemaGap, mayBeOldSchema } from '@eventsieve/store/schema-version';
import type { Pool, QueryResultRow } from 'pg';

/** Something that runs a statement: the pool, or one connection of it within a transaction. */
export interface Statements {
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[], how?: HowAsked): Promise<Row[]>;
}

export interface HowAsked {
  /** For text that comes again and again: each connection plans it once. */
  readonly kept?: boolean;
}

export interface Database extends Statements {
  /** Every statement in `work` sees the same moment. */
  inSnapshot<T>(work: (snapshot: Statements) => Promise<T>): Promise<T>;
  inTransaction<T>(work: (transaction: Statements) => Promise<T>): Promise<T>;
}

export function databaseOf(pool: Pool): Database {
  async function between<T>(begin: string, work: (statements: Statements) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    let broken = true;
    try {
      await client.query(begin);
      const result = await work({
        query: async <Row extends QueryResultRow>(text: string, values: readonly unknown[] = [], how: HowAsked = {}) =>
          (await client.query<Row>(statementOf(text, values, how))).rows,
      });
      await client.query('commit');
      broken = false;
      return result;
    } catch (error) {
      broken = await client.query('rollback').then(
        () => false,
        () => true,
      );
      throw await explainOldSchema(statementsOf(pool), error);
    } finally {
      client.release(broken);
    }
  }

  return {
    ...statementsOf(pool),
    inSnapshot: (work) => between('begin isolation level repeatable read read only', work),
    inTransaction: (work) => between('begin', work),
  };
}

function statementsOf(pool: Pool): Statements {
  return {
    query: async <Row extends QueryResultRow>(text: string, values: readonly unknown[] = [], how: HowAsked = {}) =>
      (await pool.query<Row>(statementOf(text, values, how))).rows,
  };
}

// What a connection keeps takes memory on the server: those that come first are the usual ones.
const mostKept = 64;
const keptNames = new Map<string, string>();

function statementOf(text: string, values: readonly unknown[], { kept = false }: HowAsked) {
  if (kept && !keptNames.has(text) && keptNames.size < mostKept) keptNames.set(text, `query_${keptNames.size + 1}`);
  const name = kept ? keptNames.get(text) : undefined;
  return { text, values: [...values], ...(name !== undefined && { name }) };
}

const retryAfterMs = 1_000;

/** The pool, whose errors say so where the schema is older than this service, whoever asks: drizzle too. */
export function explainsOldSchema(pool: Pool): Pool {
  const query = pool.query.bind(pool) as (...given: readonly unknown[]) => Promise<{ rows: never[] }>;
  const asBefore: Statements = { query: async (text) => (await query(text)).rows };
  const explaining = (...given: readonly unknown[]) =>
    query(...given).catch(async (error: unknown) => {
      throw await explainOldSchema(asBefore, error);
    });
  return Object.assign(pool, { query: explaining });
}

/** Undefined while the schema has all that this service needs. */
export async function schemaTooOld(statements: Statements): Promise<EventsieveError | undefined> {
  const gap = await findSchemaGap((text) => statements.query(text));
  return gap && new EventsieveError('UNAVAILABLE', gap.message, { retryAfterMs, reason: 'SCHEMA_TOO_OLD', cause: gap });
}

/** An undefined table, column or function is a bug, unless it is the schema that is behind. */
async function explainOldSchema(statements: Statements, error: unknown): Promise<unknown> {
  if (!mayBeOldSchema(error)) return error;
  return (await schemaTooOld(statements).catch(() => undefined)) ?? error;
}

// Classes of SQLSTATE: connection, transaction rollback, resources, a state that passes, operator intervention.
const passing = /^(?:08|40|53|55|57)/;
const passingOfSockets = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN']);
// What pg says without a code.
const passingWords = /timeout|Connection terminated|not queryable|connection is closed/i;

/** A database that is away, full or too slow is worth another try; everything else stays what it is. */
export function databaseError(error: unknown): unknown {
  // Drizzle wraps what pg throws.
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (inner instanceof EventsieveError) return inner;
  if (!(inner instanceof Error)) return error;
  const code = (inner as { code?: unknown }).code;
  const away =
    typeof code === 'string' ? passing.test(code) || passingOfSockets.has(code) : passingWords.test(inner.message);
  if (!away) return error;
  return new EventsieveError('UNAVAILABLE', 'the database cannot answer at the moment', {
    retryAfterMs,
    reason: 'DATABASE_UNAVAILABLE',
    cause: inner,
  });
}
