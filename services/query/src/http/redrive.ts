import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { FastifyInstance } from 'fastify';
import type { Queries } from '../queries.js';
import { redriveDeadLetters } from '../rpc/redrive-dead-letters.js';
import { withFieldNames } from './field-names.js';
import { outcomeNames } from './outcome-names.js';
import { readParameters } from './parameters.js';
import { bodyText } from './read-body.js';
import { readChoiceBody } from './read-choice.js';

export function serveRedrive(app: FastifyInstance, queries: Queries): void {
  app.post('/dead-letters/redrive', async (request, reply) => {
    readParameters(request, []);
    const call = redriveDeadLetters(queries, readChoiceBody(bodyText(request.body)));
    const { matched, sent, results } = await withFieldNames(call, (field) => field.replace(/^positions/, 'ids'));
    return reply.type('application/json').send(
      JSON.stringify({
        matched: Number(matched),
        sent,
        results: results.map(({ position, outcome, redrivenPosition, error }) => ({
          id: position.toString(),
          outcome: outcomeNames[outcome] ?? null,
          redriven_as: redrivenPosition === 0n ? null : redrivenPosition.toString(),
          error: error ? { code: codeOf(outcome, error.code), message: error.message } : null,
        })),
      }),
    );
  });
}

/** The code of a dead letter is shown as it is everywhere, so that it can be pasted into a filter. */
function codeOf(outcome: Outcome, code: string): string {
  return outcome === Outcome.OUTCOME_DEAD_LETTERED ? code : code.toLowerCase();
}
