import { EventsieveError, invalid } from '@eventsieve/contract/errors';
import type { GetDeadLetterRequest, GetDeadLetterResponse } from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { deadLetterOf, headersOf, type LetterRow, letterColumns } from '../dead-letters/dead-letter-row.js';
import { readCopy } from '../dead-letters/read-copy.js';
import type { Queries } from '../queries.js';

/** One dead letter with everything that it came with. */
export async function getDeadLetter(
  { database, names }: Pick<Queries, 'database' | 'names'>,
  { position }: GetDeadLetterRequest,
): Promise<GetDeadLetterResponse> {
  if (position < 1n) throw invalid([{ field: 'position', message: 'must be a position' }]);
  const [row] = await database.query<WholeRow>(
    `select ${letterColumns}, d.body, d.headers from dead_letters d where d.position = $1`,
    [position],
  );
  if (row === undefined) throw new EventsieveError('NOT_FOUND', 'there is no dead letter of this position');
  const isTally = row.subject === names.tallySubject;
  const deadLetter = {
    ...deadLetterOf(row),
    body: row.body,
    headers: headersOf(row.headers),
    copy: readCopy(row.body, isTally),
  };
  return { deadLetter };
}

type WholeRow = LetterRow & { readonly body: Buffer; readonly headers: Record<string, string[]> };
