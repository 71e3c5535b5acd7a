import type {
  DiscardDeadLettersRequest,
  DiscardDeadLettersResponse,
} from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { type Condition, conditionOf, readChoice } from '../dead-letters/letter-filter.js';
import type { Queries } from '../queries.js';

/** Turns open dead letters to discarded. Nothing is deleted, and no count changes. */
export async function discardDeadLetters(
  { database }: Pick<Queries, 'database'>,
  request: DiscardDeadLettersRequest,
): Promise<DiscardDeadLettersResponse> {
  const { positions, filter, limit } = readChoice(request);
  const { text, values }: Condition =
    positions.length > 0
      ? { text: "d.state = 'open' and d.position = any ($1)", values: [positions] }
      : conditionOf(filter, 'open');
  const chosen = `select d.position from dead_letters d where ${text} order by d.position limit ${limit}`;

  const [counted] = await database.query<{ n: string }>(
    `select count(*) as n from dead_letters d where ${text}`,
    values,
  );
  const rows = await database.query<{ position: string }>(
    request.dryRun
      ? chosen
      : // Materialized: a plan that runs the part with the limit again and again would take more than it allows.
        `with chosen as materialized (${chosen} for update)
         update dead_letters d set state = 'discarded', state_since = clock_timestamp()
         from chosen c where d.position = c.position and d.state = 'open' returning d.position`,
    values,
  );
  const discarded = rows.map(({ position }) => BigInt(position)).sort((a, b) => (a < b ? -1 : 1));
  return { matched: BigInt(counted?.n ?? 0), positions: discarded };
}
