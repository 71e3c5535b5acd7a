import { EventsieveError } from '@eventsieve/contract/errors';
import type {
  RedriveDeadLettersRequest,
  RedriveDeadLettersResponse,
  RedriveResult,
} from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { Outcome, type PublishError } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { LetterState } from '../dead-letters/dead-letter-row.js';
import { type Condition, conditionOf, maxLetters, readChoice } from '../dead-letters/letter-filter.js';
import { alreadyRedriven, erased, notFound } from '../dead-letters/not-sent.js';
import { awaitRedriven } from '../dead-letters/redriven.js';
import { sendAgain } from '../dead-letters/send-again.js';
import { erasedCode } from '../erase/target.js';
import type { Queries } from '../queries.js';

type RedriveQueries = Pick<Queries, 'database' | 'lastPosition' | 'names' | 'sendToStream' | 'redrivePatienceMs'>;

/**
 * Sends dead letters through again. Whoever asks twice sends twice, and that counts once: the storing call turns a dead
 * letter's state for the first message only.
 */
export async function redriveDeadLetters(
  queries: RedriveQueries,
  request: RedriveDeadLettersRequest,
): Promise<RedriveDeadLettersResponse> {
  const { positions, filter, limit } = readChoice(request);
  const { text, values }: Condition =
    positions.length > 0 ? { text: 'd.position = any ($1)', values: [positions] } : conditionOf(filter, 'open');
  const rows = await queries.database.query<CandidateRow>(
    `select d.position, d.state, d.code, octet_length(d.body) as bytes,
            count(*) filter (where d.state <> 'redriven' and d.code <> '${erasedCode}') over () as matched
     from dead_letters d where ${text} order by d.position limit ${maxLetters}`,
    values,
  );
  const redrivable = rows.filter(({ state, code }) => state !== 'redriven' && code !== erasedCode);
  const candidates = redrivable.slice(0, limit);
  const results = new Map<bigint, RedriveResult>(positions.map((position) => [position, result(position, notFound)]));
  for (const { position, state, code } of rows) {
    if (state === 'redriven') results.set(BigInt(position), result(BigInt(position), alreadyRedriven));
    else if (code === erasedCode) results.set(BigInt(position), result(BigInt(position), erased));
  }
  for (const { position } of candidates) results.set(BigInt(position), result(BigInt(position)));
  for (const { position } of redrivable.slice(limit)) results.delete(BigInt(position));
  const matched = BigInt(rows[0]?.matched ?? 0);
  const inOrder = () => [...results.values()].sort((a, b) => (a.position < b.position ? -1 : 1));
  if (request.dryRun || candidates.length === 0) return { matched, sent: 0, results: inOrder() };

  if (typeof (await queries.lastPosition.read()) !== 'object') {
    const details = { reason: 'BROKER_AWAY', retryAfterMs: 1_000 };
    throw new EventsieveError('UNAVAILABLE', 'the broker cannot be reached; nothing was sent', details);
  }
  const sent: bigint[] = [];
  for await (const { position, redrivenPosition, error } of sendAgain(queries, candidates)) {
    const outcome = error ? Outcome.OUTCOME_UNSPECIFIED : Outcome.OUTCOME_ACCEPTED;
    results.set(position, { position, redrivenPosition, outcome, error });
    if (error === undefined) sent.push(position);
  }
  for (const settled of await awaitRedriven(queries.database, sent, queries.redrivePatienceMs)) {
    results.set(settled.position, settled);
  }
  return { matched, sent: sent.length, results: inOrder() };
}

type CandidateRow = {
  readonly position: string;
  readonly state: LetterState;
  readonly code: string;
  readonly bytes: number;
  readonly matched: string;
};

const result = (position: bigint, error?: PublishError): RedriveResult => ({
  position,
  outcome: Outcome.OUTCOME_UNSPECIFIED,
  redrivenPosition: 0n,
  error,
});
