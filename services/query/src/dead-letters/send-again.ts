import type { PublishError } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Redrive } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { erasedCode } from '../erase/target.js';
import type { Queries } from '../queries.js';
import type { Sent } from '../send-to-stream.js';
import { erased, notFound } from './not-sent.js';

export interface SentAgain {
  readonly position: bigint;
  readonly redrivenPosition: bigint;
  readonly error: PublishError | undefined;
}

const maxChunk = 100;
const maxChunkBytes = 8 * 1024 ** 2;
// Longer than a reader of the counts waits between two looks: in the pause it finds every redrive placed.
const pauseMs = 40;

/**
 * Sends dead letters, a bounded part of them at a time. Each is written down before it is sent: until the call that
 * stores it takes that away again, whoever counts what is in flight knows that it is no copy.
 */
export async function* sendAgain(
  queries: Pick<Queries, 'database' | 'names' | 'sendToStream'>,
  letters: readonly { readonly position: string; readonly bytes: number }[],
): AsyncGenerator<SentAgain> {
  let chunk: string[] = [];
  let bytes = 0;
  for (const letter of letters) {
    if (chunk.length === maxChunk || (chunk.length > 0 && bytes + letter.bytes > maxChunkBytes)) {
      yield* await sendChunk(queries, chunk);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      chunk = [];
      bytes = 0;
    }
    chunk.push(letter.position);
    bytes += letter.bytes;
  }
  yield* await sendChunk(queries, chunk);
}

async function sendChunk(
  { database, names, sendToStream }: Pick<Queries, 'database' | 'names' | 'sendToStream'>,
  positions: readonly string[],
): Promise<SentAgain[]> {
  await database.query(forget);
  const rows = await database.query<SendingRow | UnsentRow>(writeDown, [positions]);
  const unsent = rows.filter((row) => row.sending === null);
  const outcomes = await Promise.all(
    rows
      .filter((row) => row.sending !== null)
      .map(async ({ sending, position, subject, body }): Promise<Outcome> => {
        const redrive = { deadLetter: BigInt(position), sending: BigInt(sending), subject, body };
        const sent = await sendToStream(names.redriveSubject, Redrive.encode(redrive).finish());
        return { sending, position: BigInt(position), sent };
      }),
  );
  const taken = outcomes.flatMap(({ sending, sent }) => (sent.kind === 'taken' ? [{ sending, ...sent }] : []));
  const refused = outcomes.flatMap(({ sending, sent }) => (sent.kind === 'refused' ? [sending] : []));
  // Of an unknown fate the row stays as it is: the message may come.
  const placed = await database.query<{ sending: string; position: string }>(place, [
    taken.map(({ sending }) => sending),
    taken.map(({ sequence }) => sequence),
  ]);
  if (refused.length > 0) await database.query('delete from redrives where sending = any ($1)', [refused]);

  const positionOf = new Map(placed.map(({ sending, position }) => [sending, BigInt(position)]));
  return [
    ...outcomes.map(({ sending, position, sent }) => ({
      position,
      redrivenPosition: positionOf.get(sending) ?? 0n,
      error: errorOf(sent),
    })),
    ...unsent.map(({ position, code }) => ({
      position: BigInt(position),
      redrivenPosition: 0n,
      error: code === null ? notFound : erased,
    })),
  ];
}

interface Outcome {
  readonly sending: string;
  readonly position: bigint;
  readonly sent: Sent;
}

function errorOf(sent: Sent): PublishError | undefined {
  if (sent.kind === 'refused') return { code: 'BROKER_REFUSED', message: `was not sent: ${sent.why}`, field: '' };
  if (sent.kind === 'taken') return undefined;
  const message = `it is not known whether it was sent (${sent.why}); redrive it again`;
  return { code: 'FATE_UNKNOWN', message, field: '' };
}

type SendingRow = {
  readonly sending: string;
  readonly position: string;
  readonly subject: string;
  readonly body: Buffer;
};

/** Since it was chosen it has been erased, or has gone. */
type UnsentRow = { readonly sending: null; readonly position: string; readonly code: string | null };

// Messages that never came, because whoever wrote them down died before sending them or the broker lost them. Whoever
// counts does not look at these any more.
const forget = `
  delete from redrives r using watermark w
  where r.sent_at < now() - interval '1 day' and (r.position is null or r.position <= w.position)`;

// Who erases or removes dead letters locks this table, and the insert waits for that before the statement reads anything.
const writeDown = `
  with written as (
    insert into redrives (dead_letter)
    select d.position from dead_letters d where d.position = any ($1::bigint[]) and d.code <> '${erasedCode}' order by 1
    returning sending, dead_letter
  )
  select c.position, w.sending, d.code, d.subject, d.body
  from unnest($1::bigint[]) as c(position)
  left join dead_letters d on d.position = c.position
  left join written w on w.dead_letter = d.position
  order by 1`;

// The worker may have been faster: then there is nothing to update, and the position is known from the dead letter.
const place = `
  update redrives r set position = e.base + s.sequence
  from unnest($1::bigint[], $2::bigint[]) as s(sending, sequence),
       (select base from epochs order by epoch desc limit 1) e
  where r.sending = s.sending
  returning r.sending, r.position`;
