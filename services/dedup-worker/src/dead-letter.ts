import type { Pool } from 'pg';
import type { Delivery } from './delivery.js';
import { sqlStateOf } from './postgres-errors.js';
import { textsOf } from './read-copy.js';
import { readHeaders } from './read-headers.js';

const what = '$3, to_timestamp($4::numeric / 1000000), $5, $6, $7, $8, $9, $10, $11, $12';
const ofCopy = `select dead_letter_v2($1, $2, ${what}) as recorded`;
const ofRedrive = `select dead_letter_again_v1($1, $2, $13, $14, ${what}) as recorded`;

export interface Reason {
  readonly code: string;
  readonly message: string;
}

export function reasonOf(error: unknown): Reason {
  return { code: sqlStateOf(error) || 'UNKNOWN', message: error instanceof Error ? error.message : String(error) };
}

/** Keeps a message that can never be stored: its bytes, its headers, and why. */
export async function deadLetter(
  pool: Pool,
  epoch: number,
  shard: number,
  delivery: Delivery,
  reason: Reason,
): Promise<void> {
  const { message, position, receivedAtUs, content, redrive } = delivery;
  const texts = content.kind === 'copy' ? textsOf(content.copy) : undefined;
  const headers = Array.from(readHeaders(message), ([name, values]) => [readable(name), values.map(readable)]);
  await pool.query({
    text: redrive ? ofRedrive : ofCopy,
    values: [
      epoch,
      shard,
      position.toString(),
      receivedAtUs.toString(),
      readable(texts?.topic ?? ''),
      readable(texts?.eventId ?? ''),
      readable(delivery.subject),
      JSON.stringify(Object.fromEntries(headers)),
      Buffer.from(delivery.body),
      reason.code,
      readable(reason.message),
      delivery.deliveries,
      ...(redrive ? [redrive.sending.toString(), redrive.deadLetter.toString()] : []),
    ],
  });
}

/** Text that Postgres can hold, whatever came: at most 255 characters of it, without NUL and broken UTF-8. */
function readable(value: Uint8Array | string): string {
  const decoded = typeof value === 'string' ? value : Buffer.from(value).toString('utf8');
  return [...decoded.replaceAll('\0', '\ufffd')].slice(0, 255).join('');
}
