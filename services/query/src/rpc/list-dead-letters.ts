import { invalid } from '@eventsieve/contract/errors';
import type {
  ListDeadLettersRequest,
  ListDeadLettersResponse,
} from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { decodeCursor, encodeCursor } from '../cursor.js';
import { deadLetterOf, type LetterRow, letterColumns } from '../dead-letters/dead-letter-row.js';
import { conditionOf, letterFilterFaults, maxLetters } from '../dead-letters/letter-filter.js';
import type { Queries } from '../queries.js';

const defaultLimit = 100;
// A gRPC client takes 4 MiB unless it is told otherwise. A page of long texts ends before it is that large.
const maxPageBytes = 3 * 1024 ** 2;
const otherBytes = 256;

export async function listDeadLetters(
  { database }: Pick<Queries, 'database'>,
  { filter, limit: wanted, cursor, newestFirst }: ListDeadLettersRequest,
): Promise<ListDeadLettersResponse> {
  const faults = letterFilterFaults(filter);
  if (wanted < 0 || wanted > maxLetters) faults.push({ field: 'limit', message: `must be from 1 to ${maxLetters}` });
  if (faults.length > 0) throw invalid(faults);
  const limit = wanted === 0 ? defaultLimit : wanted;

  const { text, values } = conditionOf(filter);
  const after = cursor === '' ? [] : [decodeCursor(cursor)];
  const beyond = after.length === 0 ? 'true' : `d.position ${newestFirst ? '<' : '>'} $${values.length + 1}`;
  const rows = await database.query<LetterRow>(
    `select ${letterColumns} from dead_letters d where ${text} and ${beyond}
     order by d.position ${newestFirst ? 'desc' : 'asc'} limit ${limit + 1}`,
    [...values, ...after],
  );
  const shown = fitting(rows.slice(0, limit));
  const last = shown.at(-1);
  const more = last !== undefined && rows.length > shown.length;
  return { deadLetters: shown.map(deadLetterOf), nextCursor: more ? encodeCursor(BigInt(last.position)) : '' };
}

function fitting(rows: readonly LetterRow[]): readonly LetterRow[] {
  let bytes = 0;
  const end = rows.findIndex(({ topic, event_id, subject, reason }, index) => {
    bytes += Buffer.byteLength(topic + event_id + subject + reason) + otherBytes;
    return index > 0 && bytes > maxPageBytes;
  });
  return end < 0 ? rows : rows.slice(0, end);
}
