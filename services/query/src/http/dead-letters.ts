import { DeadLetterState } from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import type { FastifyInstance } from 'fastify';
import { type LetterState, stateCodes } from '../dead-letters/dead-letter-row.js';
import type { Queries } from '../queries.js';
import { listDeadLetters } from '../rpc/list-dead-letters.js';
import { deadLetterJson } from './dead-letter-json.js';
import { withFieldNames } from './field-names.js';
import { readChoice, readInstant, readParameters, readWhole } from './parameters.js';

const known = ['topic', 'event_id', 'code', 'state', 'from', 'to', 'order', 'limit', 'cursor'] as const;
const states = ['open', 'redriven', 'discarded'] as const satisfies readonly LetterState[];

export function serveDeadLetters(app: FastifyInstance, queries: Pick<Queries, 'database'>): void {
  app.get('/dead-letters', async (request, reply) => {
    const given = readParameters(request, known);
    const call = listDeadLetters(queries, {
      filter: {
        topic: given.topic ?? '',
        eventId: given.event_id ?? '',
        code: given.code ?? '',
        state:
          given.state === undefined
            ? DeadLetterState.DEAD_LETTER_STATE_UNSPECIFIED
            : stateCodes[readChoice('state', given.state, states, 'open')],
        from: readInstant('from', given.from),
        to: readInstant('to', given.to),
      },
      limit: readWhole('limit', given.limit, 100, 1, 1000),
      cursor: given.cursor ?? '',
      newestFirst: readChoice('order', given.order, ['asc', 'desc'], 'asc') === 'desc',
    });
    const { deadLetters, nextCursor } = await withFieldNames(call, (field) => field.replace(/^filter\./, ''));
    return reply.type('application/json').send(
      JSON.stringify({
        count: deadLetters.length,
        dead_letters: deadLetters.map(deadLetterJson),
        next_cursor: nextCursor === '' ? null : nextCursor,
      }),
    );
  });
}
