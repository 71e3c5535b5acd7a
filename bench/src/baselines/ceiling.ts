import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { newIdShape, payload, sources, topics, writeId } from '../load/events.js';
import { type BenchDatabase, createDatabase } from '../world/database.js';
import { arrayParameter, postgresMicroseconds } from './binary-array.js';

export interface Ceiling {
  readonly eventsPerSecond: number;
  readonly connections: number;
  readonly batch: number;
}

interface Attempt {
  readonly connections: number;
  readonly batch: number;
}

const attempts: readonly Attempt[] = [1, 2, 3, 4].flatMap((connections) =>
  [200, 1000, 4000].map((batch) => ({ connections, batch })),
);
const oid = { int8: 20, text: 25, timestamptz: 1184, jsonb: 3802 } as const;

/** The best of several numbers of connections and sizes of a batch; the search is short, the best is run again in full. */
export async function measureCeiling(
  root: string,
  serverUrl: string,
  { searchSeconds, seconds }: { searchSeconds: number; seconds: number },
): Promise<Ceiling> {
  let best: Ceiling | undefined;
  for (const attempt of attempts) {
    const eventsPerSecond = await measureCeilingAs(root, serverUrl, attempt, searchSeconds);
    if (best === undefined || eventsPerSecond > best.eventsPerSecond) best = { ...attempt, eventsPerSecond };
  }
  const { connections, batch } = best as Ceiling;
  return {
    connections,
    batch,
    eventsPerSecond: await measureCeilingAs(root, serverUrl, { connections, batch }, seconds),
  };
}

/** Events a second with so many connections and batches of this size. */
export async function measureCeilingAs(
  root: string,
  serverUrl: string,
  { connections, batch }: Attempt,
  seconds: number,
): Promise<number> {
  const text = readFileSync(join(root, 'bench/src/baselines/ceiling.sql'), 'utf8');
  const database = await createDatabase(serverUrl);
  try {
    await database.pool.query(`select ensure_event_partition_v1(current_date)`);
    let next = 0;
    const numbers = () => next++;
    const warmUntilMs = performance.now() + Math.min(1_000, seconds * 500);
    await runAll(database, connections, () => performance.now() < warmUntilMs, text, batch, numbers);
    const before = next;
    const begunAtMs = performance.now();
    const untilMs = begunAtMs + seconds * 1000;
    await runAll(database, connections, () => performance.now() < untilMs, text, batch, numbers);
    const tookMs = performance.now() - begunAtMs;
    await requireRows(database, next);
    return ((next - before) / tookMs) * 1000;
  } finally {
    await database.drop();
  }
}

async function runAll(
  { url }: BenchDatabase,
  connections: number,
  goesOn: () => boolean,
  text: string,
  batch: number,
  next: () => number,
): Promise<void> {
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new Client({ connectionString: url });
      await client.connect();
      const parameters = parametersFor(batch, next);
      try {
        while (goesOn()) await client.query({ name: 'ceiling', text, values: parameters() });
      } finally {
        await client.end();
      }
    }),
  );
}

/** Prepared once for each connection; only ids and positions are written anew, so that the client costs next to nothing. */
function parametersFor(batch: number, next: () => number): () => Buffer[] {
  const { tail } = newIdShape();
  const each = <T>(of: (index: number) => T) => Array.from({ length: batch }, (_, index) => of(index));
  const now = postgresMicroseconds(Date.now());
  const positions = arrayParameter(
    oid.int8,
    each(() => Buffer.alloc(8)),
  );
  const ids = arrayParameter(
    oid.text,
    each(() => Buffer.from(`00000000${tail}`)),
  );
  const times = arrayParameter(
    oid.timestamptz,
    each(() => now),
  );
  const names = arrayParameter(
    oid.text,
    each((index) => Buffer.from(topics[index % topics.length] as string)),
  );
  const senders = arrayParameter(
    oid.text,
    each((index) => Buffer.from(sources[index % sources.length] as string)),
  );
  const json = Buffer.concat([Buffer.of(1), Buffer.from(JSON.stringify(payload))]);
  const payloads = arrayParameter(
    oid.jsonb,
    each(() => json),
  );
  return () => {
    for (let index = 0; index < batch; index++) {
      const number = next();
      positions.bytes.writeBigInt64BE(BigInt(number + 1), positions.at[index] as number);
      writeId(ids.bytes, ids.at[index] as number, number);
    }
    return [positions, times, names, ids, times, senders, payloads].map(({ bytes }) => bytes);
  };
}

async function requireRows({ pool }: BenchDatabase, sent: number): Promise<void> {
  const { rows } = await pool.query<{ count: number }>('select count(*)::float8 as count from events');
  if (rows[0]?.count !== sent) throw new Error(`the ceiling sent ${sent} rows, the table holds ${rows[0]?.count}`);
}
