import { createHash, randomFillSync } from 'node:crypto';
import type { FieldError } from '@eventsieve/contract/errors';
import { refuse } from './error.js';

export type IdField = string | number | bigint | boolean | Date | null;

/**
 * The same id for the same fields, in any process, for ever: SHA-256, as 43 characters of base64url. A list of fields
 * never meets another: ('ab', 'c') is not ('a', 'bc'), and 1 is not '1', 1n or true. Choose fields that make the event
 * what it is, and nothing that a second call would have anew, such as the present time.
 *
 * What is hashed, for other languages: for each field a letter, the number of bytes that its text has in UTF-8 (decimal),
 * a colon, and the text. s: string. n: number, as JavaScript writes it, -0 as 0. i: bigint, decimal. b: true or false.
 * d: Date, as toISOString writes it. z: null, with no text.
 */
export function idFrom(...fields: readonly [IdField, ...IdField[]]): string {
  const faults: FieldError[] = [];
  if (fields.length === 0) faults.push({ field: 'event_id', message: 'idFrom was given no field' });
  const hash = createHash('sha256');
  fields.forEach((field, place) => {
    const [letter, text] = describe(field) ?? [];
    if (text === undefined) {
      const message = `idFrom cannot use its field ${place}: neither text, a finite number, bigint, boolean, Date nor null`;
      faults.push({ field: 'event_id', message });
    } else {
      hash.update(`${letter}${Buffer.byteLength(text)}:${text}`);
    }
  });
  if (faults.length > 0) throw refuse(faults);
  return hash.digest('base64url');
}

const loneSurrogate = /\p{Surrogate}/u;

function describe(field: IdField): readonly [letter: string, text: string] | undefined {
  // Half a character would become the same replacement as any other half.
  if (typeof field === 'string') return loneSurrogate.test(field) ? undefined : ['s', field];
  if (typeof field === 'number') return Number.isFinite(field) ? ['n', String(field)] : undefined;
  if (typeof field === 'bigint') return ['i', String(field)];
  if (typeof field === 'boolean') return ['b', String(field)];
  if (field === null) return ['z', ''];
  if (field instanceof Date && !Number.isNaN(field.getTime())) return ['d', field.toISOString()];
  return undefined;
}

const randomBytesOfId = 6;
const pool = Buffer.alloc(randomBytesOfId * 512);
let poolAt = pool.length;
let lastMs = 0;
let count = 0;

// In the 26 bits of the counter: half of them are left for ids of the same millisecond.
const mostAtStart = 2 ** 25;
const mostInCounter = 2 ** 26;

/** A UUIDv7. Those of one process are in the order in which they were made, also when its clock goes back. */
export function newEventId(): string {
  const nowMs = Date.now();
  if (nowMs > lastMs) {
    lastMs = nowMs;
    count = takeRandom().readUInt32BE(0) % mostAtStart;
  } else if (++count === mostInCounter) {
    lastMs++;
    count = 0;
  }
  const time = lastMs.toString(16).padStart(12, '0');
  const high = (0x7000 | (count >>> 14)).toString(16);
  const low = (0x8000 | (count & 0x3fff)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-${high}-${low}-${takeRandom().toString('hex')}`;
}

function takeRandom(): Buffer {
  if (poolAt === pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  poolAt += randomBytesOfId;
  return pool.subarray(poolAt - randomBytesOfId, poolAt);
}
