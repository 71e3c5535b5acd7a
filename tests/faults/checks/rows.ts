import type { Pool } from 'pg';
import { keyOf } from '../load/ledger.js';

export interface StoredRow {
  readonly position: bigint;
  readonly receivedAtMs: number;
  readonly source: string;
  readonly payload: string;
}

/** What Postgres holds of one id. */
export interface RowsOfId {
  /** How many keys, and how many events: one of each, or none. */
  keys: number;
  readonly stored: StoredRow[];
  /** Payloads of the copies recorded as conflicts. */
  readonly conflicts: string[];
  deadLetters: number;
  /** Of any row of this id. */
  firstReceivedAtMs: number;
}

const receivedAt = '(extract(epoch from received_at) * 1000)::float8 as ms';

export async function readRows(pool: Pool): Promise<Map<string, RowsOfId>> {
  const found = new Map<string, RowsOfId>();
  function of(row: { topic: string; event_id: string; ms: number }): RowsOfId {
    const key = keyOf({ topic: row.topic, eventId: row.event_id });
    let rows = found.get(key);
    if (rows === undefined) {
      rows = { keys: 0, stored: [], conflicts: [], deadLetters: 0, firstReceivedAtMs: row.ms };
      found.set(key, rows);
    }
    rows.firstReceivedAtMs = Math.min(rows.firstReceivedAtMs, row.ms);
    return rows;
  }
  type Row = { topic: string; event_id: string; ms: number };

  for (const row of (await pool.query<Row>(`select topic, event_id, ${receivedAt} from event_keys`)).rows)
    of(row).keys++;
  const events = await pool.query<Row & { position: string; source: string; payload: string }>(
    `select topic, event_id, ${receivedAt}, position, source, payload::text from events`,
  );
  for (const row of events.rows) {
    const { source, payload } = row;
    of(row).stored.push({ position: BigInt(row.position), receivedAtMs: row.ms, source, payload });
  }
  const refused = await pool.query<Row & { conflict: boolean; payload: string | null }>(
    `select topic, event_id, ${receivedAt}, conflict, payload::text from refused`,
  );
  for (const row of refused.rows)
    if (row.conflict) of(row).conflicts.push(row.payload ?? '');
    else of(row);
  const dead = await pool.query<Row>(`select topic, event_id, ${receivedAt} from dead_letters`);
  for (const row of dead.rows) of(row).deadLetters++;
  return found;
}
