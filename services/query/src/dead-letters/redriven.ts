import type { RedriveResult } from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { Database } from '../sql/database.js';

const pollMs = 40;

/** What became of dead letters that were sent again, as far as it is known in time. */
export async function awaitRedriven(
  database: Pick<Database, 'query'>,
  positions: readonly bigint[],
  patienceMs: number,
): Promise<RedriveResult[]> {
  if (positions.length === 0) return [];
  const giveUpAt = Date.now() + patienceMs;
  for (;;) {
    const rows = await database.query<RedrivenRow>(selectRedriven, [positions]);
    if (rows.length === positions.length || Date.now() > giveUpAt) return rows.map(resultOf);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function resultOf({ position, redriven_position, redrive_outcome, code, reason }: RedrivenRow): RedriveResult {
  const error = redrive_outcome === Outcome.OUTCOME_DEAD_LETTERED ? { code, message: reason, field: '' } : undefined;
  return {
    position: BigInt(position),
    redrivenPosition: BigInt(redriven_position),
    outcome: redrive_outcome,
    error: error && { ...error, code: error.code ?? '', message: error.message ?? '' },
  };
}

type RedrivenRow = {
  readonly position: string;
  readonly redriven_position: string;
  readonly redrive_outcome: Outcome;
  readonly code: string | null;
  readonly reason: string | null;
};

const selectRedriven = `
  select d.position, d.redriven_position, d.redrive_outcome, again.code, again.reason
  from dead_letters d left join dead_letters again on again.position = d.redriven_position
  where d.position = any ($1) and d.state = 'redriven'`;
