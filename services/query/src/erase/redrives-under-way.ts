import { EventsieveError } from '@eventsieve/contract/errors';
import type { Statements } from '../sql/database.js';
import { erasedCode, isTarget, parametersOf, type Target } from './target.js';

const retryAfterMs = 1_000;

export const notYet = (why: string) => new EventsieveError('UNAVAILABLE', why, { retryAfterMs, reason: 'NOT_SETTLED' });

export const beingRedriven = () =>
  notYet(
    'a dead letter of it is being sent through again, and would come back; one that is never stored, redrive it again',
  );

// What a message on its way carries is in the stream. Once its dead letter is redriven, another message of it is none of
// its own. A row of a message that never came is not looked at any more when whoever sends would forget it.
const underWay = `
  exists (
    select from redrives r, watermark w
    where r.dead_letter = d.position and d.state <> 'redriven'
      and not (r.sent_at < now() - interval '1 day' and (r.position is null or r.position <= w.position))
  )`;

/** Whether a message of one of its dead letters may still bring back what that one carried. */
export async function areRedriven(statements: Statements, target: Target): Promise<boolean> {
  const found = await statements.query(
    `select from redrives sent join dead_letters d on d.position = sent.dead_letter
     where d.code <> '${erasedCode}' and ${isTarget('d')} and ${underWay} limit 1`,
    parametersOf(target),
  );
  return found.length > 0;
}

/**
 * The same of these dead letters, which the transaction has locked; from now on none of them is redriven before its end.
 * One that was a moment ago has left a row that may not be erased yet.
 */
export async function requireNoneRedriven(transaction: Statements, positions: readonly string[]): Promise<void> {
  // Whoever sends one through again writes it down here before it reads the body.
  await transaction.query('lock table redrives in share mode');
  const found = await transaction.query(
    `select from dead_letters d
     where d.position = any ($1) and (${underWay} or d.redriven_position > (select removable_up_to_v1())) limit 1`,
    [positions],
  );
  if (found.length > 0) throw beingRedriven();
}
